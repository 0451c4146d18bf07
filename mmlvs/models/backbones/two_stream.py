"""Two backbones side by side: one for frames, one for their flow images."""

from __future__ import annotations

from mmengine.model import BaseModule
from torch import Tensor, nn

from mmlvs.registry import MODELS
from mmlvs.utils import build


@MODELS.register_module()
class TwoStreamBackbone(BaseModule):
    """Encodes frames and colour-coded flow images with weights of their own (Isomer, ICCV 2023, section 3.1).

    Args:
        appearance: backbone of the frames.
        motion: backbone of the flow images.

    Attributes:
        out_channels: channels of the levels, the same in both streams.

    Raises:
        ValueError: the two give levels of different channels or strides.
    """

    def __init__(self, *, appearance: dict | nn.Module, motion: dict | nn.Module) -> None:
        super().__init__()
        self.appearance, self.motion = build(appearance, MODELS), build(motion, MODELS)
        both = [(tuple(x.out_channels), tuple(x.out_strides)) for x in (self.appearance, self.motion)]
        if both[0] != both[1]:
            raise ValueError('TwoStreamBackbone: both backbones must give levels of the same channels and strides, '
                             f'found {both[0]} of the frames and {both[1]} of the flow images')
        self.out_channels, self.out_strides = both[0]

    def forward(self, frames: Tensor, flow: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Levels (B, T, C, h, w) of the frames and of the flow images, both (B, T, 3, H, W)."""
        return self.appearance(frames), self.motion(flow)
