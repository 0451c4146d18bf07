"""LAVT-Video: the frames of a clip are seen together (Yang et al., TPAMI 2024)."""

from __future__ import annotations

from torch import Tensor, nn

from mmlvs.models.backbones.language_aware_swin import LanguageAwareSwin, select_frames
from mmlvs.models.segmentors.lavt import LAVT
from mmlvs.models.text_encoders import TextFeatures
from mmlvs.registry import MODELS


@MODELS.register_module()
class LAVTVideo(LAVT):
    """LAVT on clips: attention within windows of space and time, fusion with convolutions over time, norms over all
    frames of a clip. What a frame gets depends on the frames it is given with.

    Args:
        decode_all: in training the decoder runs on all frames of a clip, as the authors have it, not on key frames
            alone; only the statistics of its batch norms differ.
        backbone: a :class:`LanguageAwareSwin` that fuses clips.
        text_encoder, decoder, criterion, mask_space, probabilities, max_expressions, data_preprocessor, init_cfg: as
            for :class:`LAVT`.

    Raises:
        ValueError: a backbone that sees frames alone.
    """

    def __init__(self, *, backbone: dict | nn.Module, text_encoder: dict | nn.Module, decoder: dict | nn.Module,
                 criterion: dict | nn.Module | None = None, decode_all: bool = False, mask_space: str = 'original',
                 probabilities: bool = False, max_expressions: int | None = None,
                 data_preprocessor: dict | nn.Module | None = None, init_cfg: dict | None = None) -> None:
        super().__init__(backbone=backbone, text_encoder=text_encoder, decoder=decoder, criterion=criterion,
                         mask_space=mask_space, probabilities=probabilities, max_expressions=max_expressions,
                         data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        if not (isinstance(self.backbone, LanguageAwareSwin) and self.backbone.fuse_clip):
            raise ValueError('LAVTVideo: expected a LanguageAwareSwin of VideoSwinBackbone, or one with fuse_clip='
                             'True; for frames alone take LAVT')
        self.decode_all = decode_all

    def segment(self, frames: Tensor, text: TextFeatures, clip_of: Tensor, key_frames: Tensor | None = None) -> Tensor:
        """As :meth:`LAVT.segment`, but the backbone sees all frames."""
        maps = self.encode(frames, text, clip_of)
        if key_frames is None:
            return self.decode(maps, text)
        rows = key_frames[clip_of]  # B K -> E K
        if self.training and self.decode_all:
            return select_frames(self.decode(maps, text), rows)
        return self.decode([select_frames(x, rows) for x in maps], text)
