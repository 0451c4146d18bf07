"""Convolutions over a clip with channels last, and projections made of several of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Kernel = tuple[int, int, int]
POINT: Kernel = (1, 1, 1)
NORMS = ('instance', 'batch', 'layer', 'none')


class ClipConvolution(nn.Conv3d):
    """Convolution that keeps the size, (B, T, h, w, C) -> (B, T, h, w, C'); kernel (t, h, w), all odd. What lies
    outside of the clip is zero, or ``border`` (B, 1, 1, 1, C).

    A kernel of one cell is computed as a linear layer, a single frame as an image.
    """

    def __init__(self, *, in_channels: int, out_channels: int, kernel: Kernel = POINT, bias: bool = True) -> None:
        if len(kernel) != 3 or not all(n % 2 for n in kernel):
            raise ValueError(f'kernel must be (frames, rows, columns), all odd, found {kernel!r}')
        super().__init__(in_channels, out_channels, tuple(kernel), padding=tuple(n // 2 for n in kernel), bias=bias)

    def forward(self, x: Tensor, border: Tensor | None = None) -> Tensor:
        if self.kernel_size == POINT:
            return F.linear(x, self.weight.flatten(1), self.bias)  # weight C' C 1 1 1 -> C' C
        single, padding = x.shape[1] == 1, self.padding
        if single:  # the kernel sees its middle slice, but for what is the same everywhere
            padding = (0, *padding[1:])
        if border is not None:
            x, padding = _framed(x, border, padding), (0, 0, 0)
        if single:
            x = x.squeeze(1).permute(0, 3, 1, 2)  # B 1 h w C -> B C h w
            x = F.conv2d(x, self.weight[:, :, self.kernel_size[0] // 2], self.bias, padding=padding[1:])
            return x.permute(0, 2, 3, 1).unsqueeze(1)  # B C' h w -> B 1 h w C'
        x = F.conv3d(x.permute(0, 4, 1, 2, 3), self.weight, self.bias, padding=padding)  # B T h w C -> B C T h w
        return x.permute(0, 2, 3, 4, 1)  # B C' T h w -> B T h w C'


def _framed(x: Tensor, border: Tensor, padding: Kernel) -> Tensor:
    """A clip (B, T, h, w, C) with ``border`` (B, 1, 1, 1, C) around it."""
    size = [n + 2 * more for n, more in zip(x.shape[1:4], padding, strict=True)]
    out = border.expand(-1, *size, -1).clone()
    out[(slice(None), *(slice(more, more + n) for n, more in zip(x.shape[1:4], padding, strict=True)))] = x
    return out


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

    def forward(self, x: Tensor, border: Tensor | None = None) -> Tensor:
        return self.finish(self.conv(x, border))


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

    ``border`` (B, 1, 1, 1, C) is what the first convolution of each branch sees outside of the clip, in place of zeros.
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

    def forward(self, x: Tensor, border: Tensor | None = None) -> Tensor:
        results = [self._branch(i, chain, x, border) for i, chain in enumerate(self.branches)]
        joined = torch.cat(results, dim=-1) if self.concat else _sum(results)
        return joined if self.reduce is None else self.reduce(joined)

    def _branch(self, index: int, chain: nn.ModuleList, x: Tensor, border: Tensor | None) -> Tensor:
        first = x = chain[0](x, border)
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
