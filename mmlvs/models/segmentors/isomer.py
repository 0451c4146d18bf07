"""Isomer (Yuan et al., Isomerous Transformer for Zero-shot Video Object Segmentation, ICCV 2023)."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, tee

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmlvs.io.flow import flow_images
from mmlvs.models.segmentors.base import Inputs, Samples, VideoSegmentor
from mmlvs.models.segmentors.isomer_postprocess import soft_maps
from mmlvs.registry import MODELS, TASK_UTILS
from mmlvs.structures import ClipBatch, VideoSegDataSample
from mmlvs.utils import build, tap

Row = tuple[int, int]


@MODELS.register_module()
class Isomer(VideoSegmentor):
    """The object that stands out by look and by motion: one soft map a frame, from the frame and its flow image.

    Steps, in the paper's order: :meth:`encode`, :meth:`fuse`, :meth:`decode`. No text, no memory: frames do not see
    each other, motion enters through the flow image alone, and results do not depend on the length of clips.

    A clip without stream ``flow`` gets it from its own frames (``flow``); to know the motion of its last frame it may
    carry one frame more than its sample names. Otherwise the last frame gets its backward flow, as at the end of a
    video. The last frame of a clip is then its state, for a next one of a single frame.

    Args:
        backbone: :class:`TwoStreamBackbone`: frames and flow images to levels of the same channels.
        fusions: for each level, finest first, :class:`ContextSharingTransformer` or
            :class:`SemanticGatheringScatteringTransformer`; ``channels`` follow from the backbone.
        decode_head: :class:`IsomerHead`; ``in_channels`` follow from the backbone.
        criterion: called as ``criterion(logits, target, ignore)``, (N, H, W) each; needed for training only.
        flow: estimator of missing flow, such as ``dict(type='DISFlow')``; None: clips must bring it.
        mask_threshold: level 0..255 of the soft map above which a pixel is foreground.
        min_max: stretch the soft map of every frame to 0..255, as published.
        train_scales: factors of the input's size, one drawn for each batch in training; (1,) as published.
        frames_at_once: frames that pass the network at once in testing.
        conv_std: deviation of all convolutions at the start of training but those from a file, as published; None
            keeps the start of each part.
        data_preprocessor, init_cfg: as for :class:`VideoSegmentor`.

    Raises:
        ValueError: another number of fusions than of levels; settings that contradict each other.
    """

    def __init__(self, *, backbone: dict | nn.Module, fusions: Sequence[dict | nn.Module],
                 decode_head: dict | nn.Module, criterion: dict | nn.Module | None = None, flow: dict | None = None,
                 mask_threshold: int = 128, min_max: bool = True, train_scales: Sequence[float] = (1.0, ),
                 frames_at_once: int = 8, conv_std: float | None = 0.01,
                 data_preprocessor: dict | nn.Module | None = None, init_cfg: dict | None = None) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.backbone = build(backbone, MODELS)
        channels = self.backbone.out_channels
        if len(fusions) != len(channels):
            raise ValueError(f'Isomer: {len(fusions)} fusions for the {len(channels)} levels of the backbone')
        if frames_at_once < 1 or not train_scales or min(train_scales) <= 0:
            raise ValueError(f'Isomer: frames_at_once {frames_at_once} and train_scales {tuple(train_scales)} must be '
                             'at least 1 and above 0')
        self.fusions = nn.ModuleList(build(fusion, MODELS, channels=width)
                                     for fusion, width in zip(fusions, channels, strict=True))
        self.decode_head = build(decode_head, MODELS, in_channels=channels)
        self.criterion = build(criterion, MODELS)
        self.flow = build(flow, TASK_UTILS)
        self.mask_threshold, self.min_max, self.frames_at_once = mask_threshold, min_max, frames_at_once
        self.train_scales, self.conv_std = tuple(train_scales), conv_std
        codec = self.data_preprocessor.codec
        if codec.way_back != 'direct' and (codec.mask_stride != 1 or self.decode_head.square_upsampling):
            raise ValueError(f"Isomer: the codec's way_back {codec.way_back!r} cuts padding from maps; that needs "
                             "mask_stride=1 and a head with square_upsampling=False. Or set way_back='direct'")

    def init_weights(self) -> None:
        """Start every part; then all convolutions but those that a file has filled are drawn anew (``conv_std``)."""
        super().init_weights()
        if self.init_cfg or self.conv_std is None:
            return
        from_file = {id(conv) for part in self.modules() if part is not self and getattr(part, 'init_cfg', None)
                     for conv in part.modules()}
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and id(module) not in from_file:
                nn.init.normal_(module.weight, std=self.conv_std)

    # ------------------------------------------------------------ the network, step by step

    def encode(self, image: Tensor, flow: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Levels (N, C, h, w) of frames and of flow images, both (N, 3, H, W), finest first."""
        x, y = self.backbone(image[:, None], flow[:, None])  # N 3 H W -> N 1 3 H W: clips of one frame
        return [level[:, 0] for level in x], [level[:, 0] for level in y]

    def fuse(self, x: Sequence[Tensor], y: Sequence[Tensor]) -> list[Tensor]:
        """Appearance and motion of every level together, (N, C, h, w)."""
        return [tap(f'fused{i}', fusion(*pair)) for i, (fusion, *pair) in enumerate(
            zip(self.fusions, x, y, strict=True))]

    def decode(self, levels: Sequence[Tensor]) -> Tensor:
        """Logits (N, 1, H', W') of the fused levels."""
        return self.decode_head(levels)

    def forward_frames(self, image: Tensor, flow: Tensor) -> Tensor:
        """The whole network: normalised frames and flow images (N, 3, H, W) to logits (N, 1, H', W').

        H' and W' are H and W rounded up to whole patches; with ``square_upsampling`` both are W'.
        """
        return self.decode(self.fuse(*self.encode(image, flow)))

    # ------------------------------------------------------------ doors

    def _forward(self, inputs: Inputs, data_samples: Samples | None = None) -> Tensor:
        """Logits of all frames of all clips, cut to the size of the batch, (B, T, H, W)."""
        image = inputs['img'].frames
        flow = self._stream(inputs, data_samples).frames
        time = flow.shape[1]
        logits = self.forward_frames(image[:, :time].flatten(0, 1), flow.flatten(0, 1))  # B T 3 H W -> B*T 3 H W
        return self._fit(logits[:, 0], image.shape[-2:]).unflatten(0, (-1, time))

    def loss(self, inputs: Inputs, data_samples: Samples) -> dict[str, Tensor]:
        """Losses of the annotated frames among those that are to be predicted.

        Raises:
            ValueError: the model has no criterion, or no ground truth comes with the clips.
        """
        if self.criterion is None:
            raise ValueError("Isomer: training needs a criterion, such as dict(type='SaliencyCriterion')")
        scale = self.train_scales[int(torch.randint(len(self.train_scales), ())) if len(self.train_scales) > 1 else 0]
        positions = [_annotated(sample) for sample in data_samples]
        total = max(sum(map(len, positions)), 1)
        losses: dict[str, Tensor] = {}
        for rows, image, flow in self._frames(inputs, data_samples, positions):
            size = tuple(image.shape[-2:])
            target = torch.stack([_target(data_samples[b])[t] for b, t in rows])  # N H W
            ignore = torch.stack([_ignored(data_samples[b])[t] for b, t in rows])
            if scale != 1:
                size = tuple(max(32, round(side * scale / 32) * 32) for side in size)
                image, flow = (F.interpolate(x, size=size, mode='bilinear', align_corners=False) for x in (image, flow))
                target, ignore = (F.interpolate(x[:, None].float(), size=size)[:, 0].to(x.dtype)
                                  for x in (target, ignore))
            logits = self._fit(self.forward_frames(image, flow)[:, 0], size)
            for name, value in self.criterion(logits, target, ignore if ignore.any() else None).items():
                losses[name] = losses.get(name, 0) + value * (len(rows) / total)
        # nothing annotated: no loss, but every weight takes part, as several processes need it
        return losses or dict(loss_bce=sum(0.0 * weight.sum() for weight in self.parameters()))

    @torch.no_grad()
    def predict(self, inputs: Inputs, data_samples: Samples) -> Samples:
        """Soft maps (``pred_soft``, uint8) at original size, and the masks above ``mask_threshold``. A method without
        text: each of the N expressions of a sample, one as a rule, gets the same map."""
        codec = self.data_preprocessor.codec
        found = [[] for _ in data_samples]
        positions = [sample.scored_frames for sample in data_samples]
        for rows, image, flow in self._frames(inputs, data_samples, positions, at_once=self.frames_at_once):
            logits = self.forward_frames(image, flow)[:, 0]  # N h w
            for row, (b, _) in zip(logits, rows, strict=True):
                original = tuple(data_samples[b].metainfo['ori_shape'])
                found[b].append(soft_maps(row[None], original, codec=codec, img_shape=tuple(image.shape[-2:]),
                                          min_max=self.min_max))
        for maps, sample in zip(found, data_samples, strict=True):
            empty = torch.zeros((0, *sample.metainfo['ori_shape']), dtype=torch.uint8)
            soft = (torch.cat(maps) if maps else empty)[None].expand(sample.num_expressions, -1, -1, -1)  # N K H W
            sample.set_prediction(soft > self.mask_threshold, scores=soft.float().mean((2, 3)) / 255)
            sample.pred_soft = soft
        return data_samples

    @torch.no_grad()
    def predict_video(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Soft maps (H, W) uint8 of a raw video (H, W, 3) uint8 RGB, one by one, in constant memory.

        Flow is computed at the video's own size, in another thread, while the network works on the frames before:
        ``frames`` are read two blocks of ``frames_at_once`` ahead. Both are resized as the codec says.

        Raises:
            ValueError: the model has no estimator of flow.
        """
        pairs = _with_flow(frames, self._estimator())

        def read() -> list[tuple[np.ndarray, np.ndarray]]:
            return list(islice(pairs, self.frames_at_once))

        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(read)
            while block := coming.result():
                coming = pool.submit(read)  # while the network is busy
                yield from self._soft_maps(*map(np.stack, zip(*block, strict=True)))

    def _soft_maps(self, frames: np.ndarray, flow: np.ndarray) -> np.ndarray:
        """Soft maps (N, H, W) of frames and their flow images, both (N, H, W, 3) uint8 at the video's size."""
        codec, original = self.data_preprocessor.codec, frames.shape[1:3]
        device, size = next(self.parameters()).device, codec.target_size(original)
        image, motion = (codec.normalize(torch.from_numpy(codec.resize_frames(part, size)).to(device)
                                         .permute(0, 3, 1, 2)) for part in (frames, flow))  # N h w 3 -> N 3 h w
        logits = self.forward_frames(image, motion)[:, 0]  # N h w
        return soft_maps(logits, original, codec=codec, img_shape=size, min_max=self.min_max).cpu().numpy()

    # ------------------------------------------------------------ parts of the doors

    def _frames(self, inputs: Inputs, samples: Samples, positions: list[list[int]],
                at_once: int | None = None) -> Iterator[tuple[list[Row], Tensor, Tensor]]:
        """Frames at ``positions`` of every clip and their flow images (N, 3, h, w), without padding: clips of one size
        together, at most ``at_once``. Each with its rows (clip, frame)."""
        image, flow = inputs['img'], self._stream(inputs, samples)
        by_size: dict[tuple[int, int], list[Row]] = {}
        for b, (size, chosen) in enumerate(zip(image.sizes, positions, strict=True)):
            if tuple(flow.sizes[b]) != tuple(size):
                raise ValueError(f'video {samples[b].metainfo.get("video_id")!r}: flow images of '
                                 f'{tuple(flow.sizes[b])} for frames of {tuple(size)} (height, width); resize both '
                                 'streams alike')
            if chosen and max(chosen) >= flow.lengths[b]:
                raise ValueError(f'video {samples[b].metainfo.get("video_id")!r}: {flow.lengths[b]} flow images, but '
                                 f'frame {max(chosen)} (from 0) is to be predicted; every frame needs one')
            by_size.setdefault(tuple(size), []).extend((b, t) for t in chosen)
        for (height, width), rows in by_size.items():
            step = at_once or max(len(rows), 1)
            for start in range(0, len(rows), step):
                part = rows[start:start + step]
                clip, time = (list(column) for column in zip(*part, strict=True))
                yield part, image.frames[clip, time, :, :height, :width], flow.frames[clip, time, :, :height, :width]

    def _estimator(self):
        if self.flow is None:
            raise ValueError("Isomer: no flow image is given and none can be computed: let the pipeline load stream "
                             "'flow' (tools/dataset_converters/make_flow.py makes the files), or set model.flow, such "
                             "as dict(type='DISFlow')")
        return self.flow

    def _stream(self, inputs: Inputs, samples: Samples | None) -> ClipBatch:
        """Flow images of the batch: its stream ``flow``, or computed from the frames at the network's size."""
        given, image = inputs.get('flow'), inputs['img']
        if given is not None and any(given.lengths):
            return given
        estimator, codec = self._estimator(), self.data_preprocessor.codec
        mean, std = (image.frames.new_tensor(x or default)[:, None, None]
                     for x, default in ((codec.mean, (0, 0, 0)), (codec.std, (1, 1, 1))))
        lengths = image.lengths if samples is None else [
            min(sample.num_clip_frames, length) for sample, length in zip(samples, image.lengths, strict=True)]
        flow = torch.zeros_like(image.frames[:, :max(lengths)])
        for b, ((height, width), length) in enumerate(zip(image.sizes, lengths, strict=True)):
            pixels = (image.frames[b, :image.lengths[b], :, :height, :width] * std + mean) * 255
            pixels = pixels.round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()  # T 3 h w -> T h w 3
            following = pixels[length] if len(pixels) > length else None
            before = None
            if samples is not None and not self.training:  # a last clip of one frame has no other neighbour
                before = self.state_of(samples[b]).get('frame') if length == 1 and following is None else None
                samples[b].state = dict(frame=pixels[length - 1])
            images = np.stack(list(flow_images(pixels[:length], estimator, following=following, previous=before)))
            images = torch.from_numpy(images).to(flow.device).permute(0, 3, 1, 2)  # T h w 3 -> T 3 h w
            flow[b, :length, :, :height, :width] = codec.normalize(images)
        return ClipBatch(frames=flow, padding=image.padding[:, :max(lengths)], sizes=image.sizes, lengths=lengths)

    def _fit(self, logits: Tensor, size: tuple[int, int]) -> Tensor:
        """Logits (N, H', W') at the input's size: what lies on padding to whole patches is cut off; a square map is
        stretched back, as it is when it is saved."""
        if self.decode_head.square_upsampling and tuple(logits.shape[-2:]) != tuple(size):
            return F.interpolate(logits[:, None], size=tuple(size), mode='bilinear', align_corners=False)[:, 0]
        return logits[:, :size[0], :size[1]]


def _annotated(sample: VideoSegDataSample) -> list[int]:
    """Positions in the clip that are to be predicted and carry ground truth.

    Raises:
        ValueError: the sample has no ground truth.
    """
    if 'gt_masks' not in sample:
        raise ValueError(f'Isomer: sample of video {sample.metainfo.get("video_id")!r} carries no gt_masks; the '
                         'training pipeline needs LoadMasks')
    annotated = sample.get('gt_annotated')
    return [t for t in sample.scored_frames if annotated is None or bool(annotated[t])]


def _target(sample: VideoSegDataSample) -> Tensor:
    """Foreground (T, H, W) in 0..1: the union of all objects. Masks with values above 1 are grey values of 255."""
    masks = sample.gt_masks.amax(dim=0).float()  # O T H W -> T H W
    return masks / 255 if masks.numel() and masks.max() > 1 else masks


def _ignored(sample: VideoSegDataSample) -> Tensor:
    """Pixels that count for nothing, (T, H, W) bool."""
    void = sample.get('gt_ignore')
    return torch.zeros_like(sample.gt_masks[0], dtype=torch.bool) if void is None else void


def _with_flow(frames: Iterable[np.ndarray], estimator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Every frame of a video with its flow image."""
    first, second = tee(frames)  # the second runs one frame ahead
    return zip(first, flow_images(second, estimator), strict=True)
