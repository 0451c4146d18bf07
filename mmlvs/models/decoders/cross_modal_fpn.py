"""Cross-modal feature pyramid: from encoder memory and a stride-4 map to mask features (ReferFormer, section 3.3)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmlvs.models.layers.blocks import frame_blocks
from mmlvs.models.layers.group_norm import GroupNorm
from mmlvs.models.layers.vision_language_attention import VisionLanguageBlock
from mmlvs.registry import MODELS
from mmlvs.utils import tap


@dataclass
class Words:
    """Words of E expressions as attention needs them.

    Attributes:
        words: (E, L, C). position: (E, L, C), for keys only.
        padding: (E, L) bool, True = padding (a float mask is added to the logits); None = no padding.
    """

    words: Tensor
    position: Tensor
    padding: Tensor | None


@MODELS.register_module()
class CrossModalFPN(nn.Module):
    """Top-down pyramid whose laterals pass a vision-language block over the whole clip.

    From the coarsest stride to stride 4: 1x1 convolution and group norm, the block, plus the enlarged coarser result
    (except at the coarsest), 3x3 convolution, group norm and ReLU; last a 3x3 convolution to the mask features.

    Args:
        in_channels: channels of the inputs, finest first.
        channels: width C inside.
        mask_channels: channels of the mask features.
        num_heads, feedforward_channels, dropout: of the blocks.
        reductions: of the blocks' attention among pixels, finest first.
        num_groups: groups of the group norms.
    """

    def __init__(self, *, in_channels: Sequence[int], channels: int = 256, mask_channels: int = 256, num_heads: int = 8,
                 feedforward_channels: int = 2048, dropout: float = 0.1, reductions: Sequence[int] = (8, 4, 2, 1),
                 num_groups: int = 8) -> None:
        super().__init__()
        if len(in_channels) != len(reductions):
            raise ValueError(f'CrossModalFPN: {len(in_channels)} inputs, but {len(reductions)} reductions')
        self.laterals = nn.ModuleList(_conv_norm(width, channels, 1, num_groups) for width in in_channels)
        self.blocks = nn.ModuleList(
            VisionLanguageBlock(channels=channels, num_heads=num_heads, feedforward_channels=feedforward_channels,
                                reduction=reduction, dropout=dropout) for reduction in reductions)
        self.outputs = nn.ModuleList(_conv_norm(channels, channels, 3, num_groups) for _ in in_channels)
        self.mask_features = nn.Conv2d(channels, mask_channels, 3, padding=1)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Kaiming uniform (a = 1) for convolutions, Xavier uniform for matrices, biases of convolutions 0."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, a=1)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for parameter in self.blocks.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, finest: Tensor, memory: Sequence[Tensor], positions: Sequence[Tensor],
                paddings: Sequence[Tensor | None], text: Words, clip_of: Tensor) -> Tensor:
        """Mask features of every row.

        Args:
            finest: (B, T, C_0, h, w) stride-4 map of every clip, which no text has touched; pixels of a clip attend
                to each other once for all its rows.
            memory: (E, T, C_i, h, w) of the coarser strides, finest first.
            positions: (B, T, C, h, w) of every map, ``finest`` included; T = 1 when it is the same in all frames.
            paddings: (B, T, h, w) bool of every map, True = padding; None = no padding.
            text: words of the E rows.
            clip_of: (E,) clip of every row.

        Returns:
            (E, T, mask_channels, h, w) at the finest stride.
        """
        clips, frames = finest.shape[:2]
        own = torch.arange(clips, device=clip_of.device)
        x = None
        for i in reversed(range(len(self.laterals))):
            features, seen = (memory[i - 1], clip_of) if i else (finest, own)
            place = positions[i].permute(0, 1, 3, 4, 2)  # B T C h w -> B T h w C
            hidden = None if paddings[i] is None else paddings[i][seen]
            y = self.laterals[i](features.flatten(0, 1)).unflatten(0, (len(seen), frames))  # R T C h w
            y = self.blocks[i].attend_pixels(y.permute(0, 1, 3, 4, 2), place[seen], hidden)  # R T h w C
            rows = slice(None) if i else clip_of  # R is B at the finest stride, E elsewhere
            near = place[clip_of]  # E T h w C
            parts = []
            for block in frame_blocks(frames, near[:, 0, ..., 0].numel(), near.device):  # frames do not meet any more
                where = near if near.shape[1] == 1 else near[:, block]
                parts.append(self._merge(i, y[rows, block], where, text, None if x is None else x[:, block]))
            x = tap(f'fpn{i}', _join(parts))
        return self.mask_features(x.flatten(0, 1)).unflatten(0, x.shape[:2])  # E*T m h w -> E T m h w

    def _merge(self, i: int, x: Tensor, position: Tensor, text: Words, coarser: Tensor | None) -> Tensor:
        """Words, coarser result and output convolution of stride i: (E, T, h, w, C) -> (E, T, C, h, w)."""
        rows = x.shape[:2]
        x = self.blocks[i].attend_words(x, position, text.words, text.position, text.padding)
        x = x.permute(0, 1, 4, 2, 3).flatten(0, 1)  # E T h w C -> E*T C h w
        if coarser is not None:
            x = x + F.interpolate(coarser.flatten(0, 1), size=x.shape[-2:], mode='nearest')
        return F.relu(self.outputs[i](x), inplace=True).unflatten(0, rows)  # E*T C h w -> E T C h w


def _join(parts: Sequence[Tensor]) -> Tensor:
    """Blocks of frames (E, t, C, h, w) as one (E, T, C, h, w), with channels last in memory where there are several."""
    if len(parts) == 1:
        return parts[0]
    joined = torch.cat([part.permute(0, 1, 3, 4, 2) for part in parts], dim=1)  # E T h w C
    return joined.permute(0, 1, 4, 2, 3)


def _conv_norm(in_channels: int, out_channels: int, kernel: int, groups: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False),
                         GroupNorm(groups, out_channels))
