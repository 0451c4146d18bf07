"""3x3 convolution of a map that is brought to a finer grid first, computed on the coarse grid where that is cheaper."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

Size = tuple[int, int]

CHANNELS_AT_ONCE = 64
"""Output channels times images that are computed together, so that what lies between stays in the cache."""
WORTH = 0.6
"""Share of the multiplications below which the coarse grid is taken: some of them are slower ones."""


def resize_aligned(x: Tensor, size: Size) -> Tensor:
    """Bilinear with aligned corners, (N, C, h, w) -> (N, C, H, W)."""
    return x if tuple(x.shape[-2:]) == tuple(size) else F.interpolate(x, size=size, mode='bilinear', align_corners=True)


def add_resized_convolution(y: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """``y + F.conv2d(resize_aligned(x, size of y), weight, padding=1)``, whichever way is faster. With gradients it is
    this one: the other makes many small tensors.

    Args:
        y: (N, O, H, W); may be overwritten.
        x: (N, C, h, w).
        weight: (O, C, 3, 3).

    Returns:
        Tensor: (N, O, H, W).
    """
    size = tuple(y.shape[-2:])
    if x.device.type != 'cpu' or torch.is_grad_enabled() or _share(x.shape[1:], size) >= WORTH:
        return y.add_(F.conv2d(resize_aligned(x, size), weight, padding=1))
    start = 0
    for part in convolve_then_resize(x, weight, size):
        y[:, start:start + part.shape[1]] += part
        start += part.shape[1]
    return y


def convolve_then_resize(x: Tensor, weight: Tensor, size: Size) -> Iterator[Tensor]:
    """The convolution of the resized map on the coarse grid: resizing mixes positions and a kernel's nine taps mix
    channels, so that the order of the two does not matter. Channels are mixed for each tap on the coarse grid; each
    result is resized and shifted, first along the rows and then along the columns, and all are added.

    Yields:
        Parts (N, o, H, W) of the O channels, in order.
    """
    number, _, h, w = x.shape
    flat = x.flatten(2)  # N C h w -> N C h*w
    along_x, along_y = (shifted_resizing(*pair, like=x) for pair in ((w, size[1]), (h, size[0])))  # 3 w W, 3 h H
    along_y = along_y.flatten(0, 1).t()  # 3 h H -> H 3*h
    for part in weight.split(max(1, CHANNELS_AT_ONCE // number)):
        rows = None
        for column in range(3):
            taps = part[..., column].transpose(1, 2).flatten(0, 1)  # o C 3 -> o*3 C
            mixed = torch.bmm(taps.expand(number, -1, -1), flat).view(-1, w)  # N o*3 h*w -> N*o*3*h w
            rows = mixed @ along_x[column] if rows is None else rows.addmm_(mixed, along_x[column])
        rows = rows.view(number * len(part), 3 * h, size[1])  # N*o*3*h W -> N*o 3*h W
        found = torch.bmm(along_y.expand(len(rows), -1, -1), rows)  # N*o H W
        yield found.view(number, len(part), *size)


def shifted_resizing(length: int, target: int, *, like: Tensor) -> Tensor:
    """Matrices (3, n, N) that bring rows of n cells to N, linear with aligned corners, and shift them by a cell to the
    right, not at all, and to the left: what the three taps of a kernel see. What comes in from outside is zero."""
    eye = torch.eye(length, dtype=like.dtype, device=like.device)
    resizing = F.interpolate(eye[None], size=target, mode='linear', align_corners=True)[0]  # n N
    resizing = F.pad(resizing, (1, 1))
    return torch.stack([resizing[:, tap:tap + target] for tap in range(3)])


def _share(shape: tuple[int, int, int], size: Size) -> float:
    """Multiplications on the coarse grid divided by those on the fine one, for one output channel."""
    (channels, h, w), (height, width) = shape, size
    coarse = 9 * channels * h * w + 9 * h * w * width + 3 * h * width * height
    return coarse / (9 * channels * height * width)
