"""From a collated batch of items to padded, normalised clips on the model's device."""

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from mmlvs.registry import MODELS, TASK_UTILS
from mmlvs.structures import ClipBatch, VideoSegDataSample
from mmlvs.utils import build


@MODELS.register_module()
class ClipDataPreprocessor(BaseDataPreprocessor):
    """Pads clips of different size and length to one batch and normalises them.

    Args:
        codec: settings of the :class:`~mmlvs.structures.ClipCodec` (mean, std, pad_divisor, way back), shared by all
            streams.
        stream_codecs: settings for streams that differ, by stream name.
        pad_divisor_test: divisor at val and test time; None = the codec's. Ref-YTVOS and Ref-DAVIS inference of
            ReferFormer uses 1.
    """

    def __init__(self, *, codec: dict | None = None, stream_codecs: dict[str, dict] | None = None,
                 pad_divisor_test: int | None = None) -> None:
        super().__init__()
        self.codec = build({'type': 'ClipCodec', **(codec or {})}, TASK_UTILS)
        self.stream_codecs = {name: build({'type': 'ClipCodec', **setting}, TASK_UTILS)
                              for name, setting in (stream_codecs or {}).items()}
        self.pad_divisor_test = pad_divisor_test

    def forward(self, data: dict, training: bool = False) -> dict:
        """Preprocess a collated batch.

        Args:
            data: ``inputs`` = ``{stream: list of (T, 3, H, W) uint8 or float tensors}``, ``data_samples`` = list.
            training: ground truth goes to the device only when training.

        Returns:
            ``inputs`` = ``{stream: ClipBatch}``, ``data_samples`` with ``batch_input_shape`` set.

        Raises:
            ValueError: clips and samples differ in number, or a clip has not three channels.
        """
        samples: list[VideoSegDataSample] = data['data_samples']
        inputs = {name: self._batch(name, clips, samples, training) for name, clips in data['inputs'].items()}
        main = next(iter(inputs.values()))
        for sample, size in zip(samples, main.sizes, strict=True):
            sample.set_metainfo(dict(batch_input_shape=main.padded_size, img_shape=tuple(size)))
        if training:
            samples = [sample.to(self.device) for sample in samples]
        return dict(inputs=inputs, data_samples=samples)

    def _batch(self, name: str, clips: list[Tensor], samples: list[VideoSegDataSample], training: bool) -> ClipBatch:
        if len(clips) != len(samples):
            raise ValueError(f'stream {name!r}: {len(clips)} clips for {len(samples)} samples')
        for clip, sample in zip(clips, samples, strict=True):
            if clip.ndim != 4 or clip.shape[1] != 3:
                raise ValueError(f'stream {name!r} of video {sample.metainfo.get("video_id")!r}: expected (T, 3, H, W)'
                                 f', found {tuple(clip.shape)}')
        codec = self.stream_codecs.get(name, self.codec)
        divisor = codec.pad_divisor if training or self.pad_divisor_test is None else self.pad_divisor_test
        sizes = [tuple(clip.shape[-2:]) for clip in clips]
        lengths = [clip.shape[0] for clip in clips]
        height, width = (-(-max(column) // divisor) * divisor for column in zip(*sizes, strict=True))
        device = self.device
        frames = torch.zeros((len(clips), max(lengths), 3, height, width), device=device)
        padding = torch.ones((len(clips), max(lengths), height, width), dtype=torch.bool, device=device)
        for b, clip in enumerate(clips):
            t, _, h, w = clip.shape
            frames[b, :t, :, :h, :w] = codec.normalize(clip.to(device, non_blocking=True))
            padding[b, :t, :h, :w] = False
        return ClipBatch(frames=frames, padding=padding, sizes=sizes, lengths=lengths)
