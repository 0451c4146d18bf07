"""Convolutions over a clip with channels last, and projections made of several of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmlvs.models.layers.winograd import (
    LEAST_CLIP_TILES,
    convolve_clip_by_tiles,
    number_of_tiles,
    tiles_are_faster,
)

Kernel = tuple[int, int, int]
POINT: Kernel = (1, 1, 1)
NORMS = ('instance', 'batch', 'layer', 'none')


@dataclass(frozen=True)
class WordMixture:
    """A map whose cells are sums of few vectors, such as what positions gather from the words of a sentence.

    Attributes:
        weights: (R, T, h, w, M), of each vector in each cell; R is a multiple of E, consecutive rows share vectors.
        vectors: (E, M, C).
        border: (E, C), what lies outside of the clip; None: zeros.
    """

    weights: Tensor
    vectors: Tensor
    border: Tensor | None = None

    def framed(self, padding: Kernel) -> WordMixture:
        """With ``padding`` cells of the border on both sides: it becomes one more vector."""
        t, h, w = padding
        sides = (0, 0, w, w, h, h, t, t)
        outside = F.pad(torch.zeros_like(self.weights[:1, ..., :1]), sides, value=1.0)  # 1 T h w 1
        weights = F.pad(self.weights, sides)
        weights = torch.cat([weights, outside.expand(len(weights), *outside.shape[1:])], dim=-1)
        return WordMixture(weights, torch.cat([self.vectors, self.border[:, None]], dim=1))


class ClipConvolution(nn.Conv3d):
    """Convolution that keeps the size, (B, T, h, w, C) -> (B, T, h, w, C'); kernel (t, h, w), all odd. What lies
    outside of the clip is zero, or a mixture's border.

    A kernel of one cell is computed as a linear layer, a single frame as an image. Of a :class:`WordMixture` the
    vectors pass the kernel first, then its weights are convolved with what comes out: M channels instead of C.
    """

    def __init__(self, *, in_channels: int, out_channels: int, kernel: Kernel = POINT, bias: bool = True) -> None:
        if len(kernel) != 3 or not all(n % 2 for n in kernel):
            raise ValueError(f'kernel must be (frames, rows, columns), all odd, found {kernel!r}')
        super().__init__(in_channels, out_channels, tuple(kernel), padding=tuple(n // 2 for n in kernel), bias=bias)

    def forward(self, x: Tensor | WordMixture) -> Tensor:
        if not isinstance(x, WordMixture):
            return _convolve(x, self.weight, self.bias, self.padding)
        padding = self.padding
        if x.border is not None and self.kernel_size != POINT:
            # outside of a single frame all is alike: it adds the same everywhere, and is left out
            padding = (padding[0] if x.weights.shape[1] > 1 else 0, *padding[1:])
            x, padding = x.framed(padding), (0, 0, 0)
        kernels = torch.einsum('emc,octhw->eomthw', x.vectors.to(self.weight.dtype), self.weight)  # E C' M t h w
        rows = x.weights.unflatten(0, (len(kernels), -1))  # E R/E T h w M
        return torch.cat([_convolve(part, kernel, self.bias, padding)
                          for part, kernel in zip(rows, kernels, strict=True)])


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None, padding: Kernel) -> Tensor:
    """(B, T, h, w, C), (C', C, t, h, w) -> (B, T, h', w', C')."""
    if weight.shape[2:] == POINT:
        return F.linear(x, weight.flatten(1), bias)  # C' C 1 1 1 -> C' C
    if x.shape[1] == 1:  # the kernel sees its middle slice
        x = x.squeeze(1).permute(0, 3, 1, 2)  # B 1 h w C -> B C h w
        x = F.conv2d(x, weight[:, :, weight.shape[2] // 2], bias, padding=padding[1:])
        return x.permute(0, 2, 3, 1).unsqueeze(1)  # B C' h w -> B 1 h w C'
    if weight.shape[3:] == (3, 3) and padding == (weight.shape[2] // 2, 1, 1) and tiles_are_faster(
            x, weight, len(x) * x.shape[1] * number_of_tiles(*x.shape[2:4]), LEAST_CLIP_TILES):
        return convolve_clip_by_tiles(x, weight, bias)
    x = x.permute(0, 4, 1, 2, 3)  # B T h w C -> B C T h w
    if weight.numel() > x.numel():  # the smaller one of the two is copied, as both must have channels last or first
        x = x.contiguous()
    x = F.conv3d(x, weight, bias, padding=padding)
    return x.permute(0, 2, 3, 4, 1)  # B C' T h w -> B T h w C'


class ClipNorm(nn.Module):
    """Norm of (B, T, h, w, C).

    ``'instance'``: over all positions of all frames of a clip, of every channel, without parameters and without running
    statistics, in testing too; ``'batch'``: also over the clips, with running statistics; ``'layer'``: over the
    channels; ``'none'``.

    Raises:
        ValueError: unknown kind; in use: an instance norm of a single position, which would be zero whatever it holds.
    """

    def __init__(self, *, channels: int, kind: str = 'instance', eps: float = 1e-5) -> None:
        super().__init__()
        if kind not in NORMS:
            raise ValueError(f'norm {kind!r}, expected one of {NORMS}')
        self.kind, self.eps = kind, eps
        if kind == 'batch':
            self.inner = nn.BatchNorm1d(channels, eps=eps)
        elif kind == 'layer':
            self.inner = nn.LayerNorm(channels, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        if self.kind == 'instance':
            if x.shape[1] * x.shape[2] * x.shape[3] < 2:
                raise ValueError(f'an instance norm needs at least two positions, found a map of {tuple(x.shape[1:4])} '
                                 '(frames, rows, columns); give larger images')
            centred = x if x.dtype == torch.float64 else x.float()
            centred = centred - centred.mean(dim=(1, 2, 3), keepdim=True)
            variance = centred.square().mean(dim=(1, 2, 3), keepdim=True)
            return (centred * torch.rsqrt(variance + self.eps)).to(x.dtype)
        if self.kind == 'batch':
            return self.inner(x.flatten(0, 3)).view(x.shape)  # B T h w C -> B*T*h*w C
        return self.inner(x) if self.kind == 'layer' else x


class ConvolutionUnit(nn.Module):
    """Convolution, then GELU (``norm=None``) or a norm; (B, T, h, w, C) -> (B, T, h, w, C')."""

    def __init__(self, *, in_channels: int, out_channels: int, kernel: Kernel, norm: str | None) -> None:
        super().__init__()
        self.conv = ClipConvolution(in_channels=in_channels, out_channels=out_channels, kernel=kernel)
        self.finish = nn.GELU() if norm is None else ClipNorm(channels=out_channels, kind=norm)

    def forward(self, x: Tensor | WordMixture) -> Tensor:
        return self.finish(self.conv(x))


class BranchGate(nn.Module):
    """x + tanh(K2 relu(K1 x)) * x, with convolutions of one cell without bias."""

    def __init__(self, *, channels: int) -> None:
        super().__init__()
        self.first, self.second = (
            ClipConvolution(in_channels=channels, out_channels=channels, bias=False) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.tanh(self.second(F.relu(self.first(x)))) * x


@dataclass(frozen=True)
class ProjectionPlan:
    """What a :class:`ClipProjection` is made of.

    Attributes:
        branches: branches side by side, each a chain of kernels (frames, rows, columns).
        residual: a chain adds the result of its first convolution to its last.
        gated: for each branch whether it passes a :class:`BranchGate`; empty: none does.
        reduce: ``'sum'`` of the branches, or ``'concat'`` along the channels.
        reduce_kernel: a further convolution after the branches are joined; needed after ``'concat'``.
    """

    branches: tuple[tuple[Kernel, ...], ...] = ((POINT, ), )
    residual: bool = False
    gated: tuple[bool, ...] = ()
    reduce: str = 'sum'
    reduce_kernel: Kernel | None = None


class ClipProjection(nn.Module):
    """Projection of every position of a clip, (B, T, h, w, C) -> (B, T, h, w, C), by convolutions in branches and
    chains; each is followed by GELU, or by a norm.

    Args:
        channels: C.
        plan: the convolutions.
        norm: see :class:`ClipNorm`; None: GELU.
    """

    def __init__(self, *, channels: int, plan: ProjectionPlan, norm: str | None = None) -> None:
        super().__init__()
        if plan.reduce not in ('sum', 'concat') or (plan.reduce == 'concat' and plan.reduce_kernel is None):
            raise ValueError(f"reduce must be 'sum', or 'concat' with a reduce_kernel, found {plan}")
        same = dict(out_channels=channels, norm=norm)
        self.branches = nn.ModuleList(
            nn.ModuleList(ConvolutionUnit(in_channels=channels, kernel=kernel, **same) for kernel in chain)
            for chain in plan.branches)
        self.residual, self.concat = plan.residual, plan.reduce == 'concat'
        gated = plan.gated or (False, ) * len(plan.branches)
        self.gates = nn.ModuleDict({str(i): BranchGate(channels=channels) for i, has in enumerate(gated) if has})
        joined = channels * (len(plan.branches) if self.concat else 1)
        self.reduce = None if plan.reduce_kernel is None else ConvolutionUnit(
            in_channels=joined, kernel=plan.reduce_kernel, **same)

    def forward(self, x: Tensor | WordMixture) -> Tensor:
        results = [self._branch(i, chain, x) for i, chain in enumerate(self.branches)]
        joined = torch.cat(results, dim=-1) if self.concat else _sum(results)
        return joined if self.reduce is None else self.reduce(joined)

    def _branch(self, index: int, chain: nn.ModuleList, x: Tensor | WordMixture) -> Tensor:
        first = x = chain[0](x)
        for unit in chain[1:]:
            x = unit(x)
        if self.residual and len(chain) > 1:
            x = x + first
        return self.gates[str(index)](x) if str(index) in self.gates else x


def _sum(parts: Sequence[Tensor]) -> Tensor:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
