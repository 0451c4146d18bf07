"""Isomer's head: four fused levels to one map of logits."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmlvs.registry import MODELS


@MODELS.register_module()
class IsomerHead(nn.Module):
    """Levels brought to one width and size, fused, then two steps of doubling (Isomer, ICCV 2023, section 3.4; after
    SegFormer's head).

    Args:
        in_channels: width of each level, finest first.
        channels: width E of the head; divisible by 4.
        dropout: of whole channels before the last convolution.
        square_upsampling: both sides of each doubling are twice the width, as the released code has it: an image that
            is not square then gets a square map, stretched back when it is saved. False: sides keep their ratio.
        norm_cfg: batch norm of both stages, with ``eps`` and ``momentum`` if they are not the defaults.
    """

    def __init__(self, *, in_channels: Sequence[int], channels: int = 192, dropout: float = 0.1,
                 square_upsampling: bool = False, norm_cfg: dict | None = None) -> None:
        super().__init__()
        from mmcv.cnn import ConvModule

        if channels % 4:
            raise ValueError(f'IsomerHead: channels {channels}, expected a multiple of 4')
        norm_cfg = dict(norm_cfg or dict(type='BN'))
        self.square_upsampling = square_upsampling
        self.projections = nn.ModuleList(nn.Linear(width, channels) for width in in_channels)
        self.fuse = ConvModule(len(in_channels) * channels, channels, 1, norm_cfg=norm_cfg)
        self.refine = ConvModule(channels, channels // 4, 3, padding=1, norm_cfg=norm_cfg)
        self.dropout = nn.Dropout2d(dropout)
        self.predict = nn.Conv2d(channels // 4, 1, 1)

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Logits (B, 1, 4h, 4w) of levels (B, C_i, h_i, w_i), finest first, h, w = size of the finest; with
        ``square_upsampling`` (B, 1, 4w, 4w)."""
        height, width = levels[0].shape[-2:]
        same = [_resize(project(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), (height, width))  # B C h w -> B E h w
                for project, x in zip(self.projections, levels, strict=True)]
        x = self.fuse(torch.cat(same[::-1], dim=1))  # coarsest level first
        height = width if self.square_upsampling else height
        x = self.refine(_resize(x, (2 * height, 2 * width)))
        return self.predict(self.dropout(_resize(x, (4 * height, 4 * width))))


def _resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(x.shape[-2:]) == size:
        return x
    return F.interpolate(x, size=size, mode='bilinear', align_corners=False)
