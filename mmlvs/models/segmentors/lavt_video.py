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
        most_frames: longer clips are seen in testing as several, each of every n-th frame, so that it spreads over the
            whole and has at most as many frames: what the network holds is bounded, and motion looks as in training on
            such clips (``SampleSpreadFrames``). None: a clip is seen at once, as the authors test. Not for clips with
            key frames.
        backbone: a :class:`LanguageAwareSwin` that fuses clips.
        text_encoder, decoder, criterion, mask_space, probabilities, max_expressions, data_preprocessor, init_cfg: as
            for :class:`LAVT`.

    Raises:
        ValueError: a backbone that sees frames alone, or ``most_frames`` below 1.
    """

    sees_clips = True

    def __init__(self, *, backbone: dict | nn.Module, text_encoder: dict | nn.Module, decoder: dict | nn.Module,
                 criterion: dict | nn.Module | None = None, decode_all: bool = False,
                 most_frames: int | None = None, mask_space: str = 'original', probabilities: bool = False,
                 max_expressions: int | None = None, data_preprocessor: dict | nn.Module | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(backbone=backbone, text_encoder=text_encoder, decoder=decoder, criterion=criterion,
                         mask_space=mask_space, probabilities=probabilities, max_expressions=max_expressions,
                         data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        if not (isinstance(self.backbone, LanguageAwareSwin) and self.backbone.fuse_clip):
            raise ValueError('LAVTVideo: expected a LanguageAwareSwin of VideoSwinBackbone, or one with fuse_clip='
                             'True; for frames alone take LAVT')
        if most_frames is not None and most_frames < 1:
            raise ValueError(f'LAVTVideo: most_frames must be at least 1, found {most_frames}')
        self.decode_all, self.most_frames = decode_all, most_frames

    def segment(self, frames: Tensor, text: TextFeatures, clip_of: Tensor, key_frames: Tensor | None = None) -> Tensor:
        """As :meth:`LAVT.segment`, but the backbone sees all frames."""
        if key_frames is None and self.most_frames and not self.training and frames.shape[1] > self.most_frames:
            step = -(-frames.shape[1] // self.most_frames)
            parts = [self.segment(frames[:, start::step], text, clip_of) for start in range(step)]
            logits = parts[0].new_empty(len(clip_of), frames.shape[1], *parts[0].shape[2:])  # E T 2 h w
            for start, part in enumerate(parts):
                logits[:, start::step] = part
            return logits
        maps = self.encode(frames, text, clip_of)
        if key_frames is None:
            return self.decode(maps, text)
        rows = key_frames[clip_of]  # B K -> E K
        if self.training and self.decode_all:
            return select_frames(self.decode(maps, text), rows)
        return self.decode([select_frames(x, rows) for x in maps], text)
