"""The door of every method: clips and samples in, losses or predictions out."""

from abc import abstractmethod

import torch
from mmengine.model import BaseModel
from torch import Tensor

from mmlvs.io.conversion import OURS
from mmlvs.models.pretrained import check_init_cfg, load_pretrained
from mmlvs.registry import MODELS
from mmlvs.structures import ClipBatch, VideoSegDataSample
from mmlvs.utils import build

Inputs = dict[str, ClipBatch]
Samples = list[VideoSegDataSample]


class VideoSegmentor(BaseModel):
    """Base of all methods.

    mmengine's loops call it with what the data preprocessor returns: ``inputs`` (a :class:`ClipBatch` per named stream)
    and ``data_samples`` (one :class:`VideoSegDataSample` a clip). A method is read from its own steps, spelled as
    methods in the paper's order.

    Args:
        data_preprocessor: settings of the data preprocessor, or a built one.
        init_cfg: None: every part starts by its own settings. ``dict(type='Pretrained', checkpoint=path)`` or
            ``dict(type='PretrainedExcept', checkpoint=path, skip=[...])``: a training starts from one of our files, and
            the parts' own files are not read; what ``skip`` names keeps the values it was built with.
    """

    def __init__(self, *, data_preprocessor: dict | torch.nn.Module | None = None,
                 init_cfg: dict | None = None) -> None:
        preprocessor = build(data_preprocessor or dict(type='ClipDataPreprocessor'), MODELS)
        super().__init__(data_preprocessor=preprocessor, init_cfg=check_init_cfg(init_cfg))

    def init_weights(self) -> None:
        """Start every part by its own settings, or the whole from the file of ``init_cfg``."""
        if self.init_cfg:
            load_pretrained(self, self.init_cfg, OURS)
            self.is_init = True
        else:
            super().init_weights()

    def forward(self, inputs: Inputs, data_samples: Samples | None = None, mode: str = 'tensor'):
        """Dispatch on ``mode``: ``'loss'``, ``'predict'`` or ``'tensor'`` (raw outputs).

        Raises:
            ValueError: unknown mode.
        """
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        if mode == 'tensor':
            return self._forward(inputs, data_samples)
        raise ValueError(f'mode {mode!r}: expected "loss", "predict" or "tensor"')

    @abstractmethod
    def loss(self, inputs: Inputs, data_samples: Samples) -> dict[str, Tensor]:
        """Losses by name; those whose name contains ``loss`` are summed."""

    @abstractmethod
    def predict(self, inputs: Inputs, data_samples: Samples) -> Samples:
        """The same samples with predictions attached (:meth:`VideoSegDataSample.set_prediction`)."""

    @abstractmethod
    def _forward(self, inputs: Inputs, data_samples: Samples | None = None):
        """Raw tensors of the network."""

    # ------------------------------------------------------------ rows and state

    @staticmethod
    def clip_of(data_samples: Samples) -> Tensor:
        """Clip index of every (clip, expression) row: (E,) int64, E = sum of the samples' expressions."""
        counts = torch.tensor([sample.num_expressions for sample in data_samples], dtype=torch.int64)
        return torch.repeat_interleave(torch.arange(len(data_samples)), counts)

    @staticmethod
    def texts_of(data_samples: Samples) -> list[str]:
        """The E expressions of a batch, clip by clip."""
        return [text for sample in data_samples for text in sample.metainfo['texts']]

    @staticmethod
    def state_of(sample: VideoSegDataSample) -> dict:
        """State that the previous clip of this video left, by expression id; empty at the first clip.

        Raises:
            RuntimeError: a later clip arrives without state.
        """
        state = sample.get('state')
        if sample.metainfo.get('clip', {}).get('is_first', True):
            return {}
        if state is None:
            clip = sample.metainfo['clip']
            raise RuntimeError(
                f'clip {clip["index"]} of video {sample.metainfo["video_id"]!r} arrives without the state of the clip '
                'before it: clips of a video must come in order (use VideoSampler) with ClipStateHook active')
        return state
