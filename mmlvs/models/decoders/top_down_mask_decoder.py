"""Mask predictor of LAVT: a light top-down path of convolutions over the fused maps (Yang et al., CVPR 2022, sec.
3.4)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmlvs.models.layers.resized_convolution import add_resized_convolution, resize_aligned
from mmlvs.models.layers.winograd import LEAST_TILES, TiledKernel, number_of_tiles, tiles_are_faster
from mmlvs.registry import MODELS
from mmlvs.utils import tap


class ConvBNReLU(nn.Sequential):
    """Convolution without bias that keeps the size, batch norm, ReLU. A norm with fixed statistics is part of the
    convolution's weights."""

    def __init__(self, *, in_channels: int, out_channels: int, kernel: int = 3, dilation: int = 1) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel, padding=dilation * (kernel // 2), dilation=dilation,
                      bias=False), nn.BatchNorm2d(out_channels), nn.ReLU())
        self._kept: tuple | None = None

    def forward(self, x: Tensor, coarse: Tensor | None = None) -> Tensor:
        """Args:
            x: (N, C, h, w).
            coarse: (N, C', h', w'), whose channels come before those of x once it has the size of x; for 3x3 kernels.

        Returns:
            Tensor: (N, C_out, h, w).
        """
        conv, norm, _ = self
        before = 0 if coarse is None else coarse.shape[1]
        weight, bias = (conv.weight, None) if norm.training else self.fixed()
        same = conv.kernel_size == (3, 3) and conv.dilation == (1, 1)
        if same and not norm.training and tiles_are_faster(x, weight[:, before:], number_of_tiles(*x.shape[-2:]),
                                                            LEAST_TILES):
            y = self._tiled(weight, before)(x, bias)
        else:
            y = F.conv2d(x, weight[:, before:], bias, padding=conv.padding, dilation=conv.dilation)
        if coarse is not None:
            y = add_resized_convolution(y, coarse, weight[:, :before])
        return F.relu(norm(y) if norm.training else y, inplace=True)

    def fixed(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the convolution with the norm's statistics in them. Without gradients they are kept until
        one of the tensors that they are made of changes, the mode is set, or a pass with gradients tells of training:
        fused optimisers change tensors without a trace."""
        conv, norm, _ = self
        parts = conv.weight, norm.weight, norm.bias, norm.running_mean, norm.running_var
        if torch.compiler.is_compiling():
            return self._folded(*parts)
        if torch.is_grad_enabled() or any(part.is_inference() for part in parts):
            self._kept = None
            return self._folded(*parts)
        state = [(part.data_ptr(), part._version, part.dtype) for part in parts]
        if self._kept is None or self._kept[0] != state:
            with torch.inference_mode(False), torch.no_grad():
                self._kept = state, self._folded(*parts), {}
        return self._kept[1]

    def _folded(self, weight: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, variance: Tensor):
        scale = scale * torch.rsqrt(variance + self[1].eps)
        return weight * scale[:, None, None, None], shift - mean * scale

    def _tiled(self, weight: Tensor, before: int) -> TiledKernel:
        """The kernel of channels from ``before`` on."""
        kept = {} if self._kept is None or self._kept[1][0] is not weight else self._kept[2]
        if before not in kept:
            kept[before] = TiledKernel(weight[:, before:])
        return kept[before]

    def train(self, mode: bool = True) -> ConvBNReLU:
        """Set the mode, and forget what was kept."""
        self._kept = None
        return super().train(mode)

    def __getstate__(self) -> dict:
        """Without what is kept, for copies and pickles."""
        return {**self.__dict__, '_kept': None}


@MODELS.register_module()
class TopDownMaskDecoder(nn.Module):
    """From the deepest map upwards: resize to the next finer map, concatenate, two 3x3 convolutions; last two logits.

    Args:
        in_channels: channels of the maps, finest first.
        channels: width between; half of the deepest map's by default.
        refine: further steps before the logits, each a resize to twice the size and a convolution: 0, 1 or 2.
    """

    needs_text = False

    def __init__(self, *, in_channels: Sequence[int], channels: int | None = None, refine: int = 0) -> None:
        super().__init__()
        *skips, deepest = in_channels
        if not skips or refine not in (0, 1, 2):
            raise ValueError(f'TopDownMaskDecoder: expected at least two maps and refine 0, 1 or 2, found '
                             f'{list(in_channels)} and {refine}')
        width = deepest // 2 if channels is None else channels
        self.levels = nn.ModuleList()
        for skip, before in zip(reversed(skips), [deepest, *[width] * len(skips)], strict=False):
            self.levels.append(nn.ModuleList([ConvBNReLU(in_channels=before + skip, out_channels=width),
                                              ConvBNReLU(in_channels=width, out_channels=width)]))
        self.refine = nn.ModuleList(ConvBNReLU(in_channels=width, out_channels=width) for _ in range(refine))
        self.logits = nn.Conv2d(width, 2, 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Logits of background and referent.

        Args:
            maps: (N, C_i, h, w), finest first.

        Returns:
            Tensor: (N, 2, h, w) on the finest map's grid, or twice or four times as fine with ``refine``.
        """
        *skips, x = maps
        for level, (convs, skip) in enumerate(zip(self.levels, reversed(skips), strict=True)):
            stage = len(self.levels) + 1 - level
            x = tap(f'dec_relu1_{stage}', convs[0](skip, coarse=x))
            x = tap(f'dec_relu2_{stage}', convs[1](x))
        size = x.shape[-2:]
        for k, conv in enumerate(self.refine):
            x = conv(resize_aligned(x, tuple(n * 2**(k + 1) for n in size)))
        return tap('logits_low', self.logits(x))
