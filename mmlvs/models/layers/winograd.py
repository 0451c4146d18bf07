"""3x3 convolutions of many channels with a quarter of the multiplications (Winograd's minimal filtering, in the form of
Lavin and Gray, *Fast Algorithms for Convolutional Neural Networks*, CVPR 2016).

A tile of 6 x 6 values and the kernel are evaluated at six points along each axis, multiplied there, channels mixed, and
what is found is interpolated to 4 x 4 results: 36 multiplications where the sliding kernel needs 144.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

TILE = 4
"""Results of a tile along an axis."""
POINTS = (0.0, 1.0, -1.0, 0.5, -2.0)
"""Where tile and kernel are evaluated, besides infinity. With these, rounding is about that of the sliding kernel; with
the usual (0, 1, -1, 2, -2) it is three times as large."""
LEAST_CHANNELS, LEAST_TILES, LEAST_CLIP_TILES = 128, 49, 150
"""Below these the sliding kernel is faster. For clips the kernel is evaluated anew every time, which pays for more
tiles alone."""
TILES_AT_ONCE, CLIP_TILES_AT_ONCE, CHANNELS_AT_ONCE = 2048, 8192, 128
"""Tiles and channels that are computed together: bounds of what lies between, 36 values for each pair of them."""


@lru_cache(maxsize=1)
def transforms() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Matrices of two axes at once: of the kernel (36, 9), of a tile (36, 36), and back (16, 36)."""
    points = np.array(POINTS)
    number = len(points) + 1  # with infinity
    kernel, tile, back = np.zeros((number, 3)), np.zeros((number, number)), np.zeros((TILE, number))
    for j, point in enumerate(points):
        others = np.delete(points, j)
        kernel[j] = point**np.arange(3) / np.prod(point - others)
        tile[j, :-1] = np.poly(others)[::-1]
        back[:, j] = point**np.arange(TILE)
    kernel[-1, -1], tile[-1], back[-1, -1] = 1, np.poly(points)[::-1], 1
    return tuple(np.kron(matrix, matrix) for matrix in (kernel, tile, back))


def number_of_tiles(height: int, width: int) -> int:
    """Tiles of an image."""
    return -(-height // TILE) * -(-width // TILE)


def tiles_are_faster(x: Tensor, weight: Tensor, tiles: int, least: int) -> bool:
    """Whether to go by tiles: at least so many on a CPU, many channels, no gradients, and nobody who follows the steps.

    Args:
        x: the map, in any layout.
        weight: (O, C, ...).
        tiles: how many there are.
        least: from how many on it is faster.
    """
    return (x.device.type == 'cpu' and x.dtype == weight.dtype and x.dtype in (torch.float32, torch.float64)
            and not torch.is_grad_enabled() and not torch.is_autocast_enabled('cpu')
            and not torch.compiler.is_compiling()
            and min(weight.shape[:2]) >= LEAST_CHANNELS and tiles >= least)


class TiledKernel:
    """A 3x3 kernel, evaluated once, that is applied by tiles: ``TiledKernel(weight)(x)`` is
    ``F.conv2d(x, weight, padding=1)``. It takes four times the memory of its weight.

    Args:
        weight: (O, C, 3, 3).
    """

    def __init__(self, weight: Tensor) -> None:
        self.channels, (kernel, _, _) = len(weight), _matrices(weight)
        self.pieces = [[(kernel @ taps.reshape(-1, 9).t()).view(36, *taps.shape[:2])  # o c 3 3 -> o*c 9 -> 36 o c
                        for taps in piece.split(CHANNELS_AT_ONCE, dim=1)] for piece in weight.split(CHANNELS_AT_ONCE)]

    def __call__(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """Convolve.

        Args:
            x: (N, C, H, W).
            bias: (O,).

        Returns:
            Tensor: (N, O, H, W).
        """
        (number, _, height, width), (_, tile, back) = x.shape, _matrices(x)
        rows, columns = -(-height // TILE), -(-width // TILE)
        x = F.pad(x, (1, columns * TILE - width + 1, 1, rows * TILE - height + 1))
        y = x.new_empty(number, self.channels, rows, TILE, columns, TILE)
        step = max(1, TILES_AT_ONCE // columns)
        for image, result in zip(x, y, strict=True):
            for start in range(0, rows, step):
                part = image[:, TILE * start:TILE * min(start + step, rows) + 2]
                values = [_evaluated(piece, tile) for piece in part.split(CHANNELS_AT_ONCE)]
                for pieces, into in zip(self.pieces, result.split(CHANNELS_AT_ONCE), strict=True):
                    mixed = torch.bmm(pieces[0], values[0])  # 36 o r*c
                    for piece, value in zip(pieces[1:], values[1:], strict=True):
                        mixed.baddbmm_(piece, value)
                    found = (back @ mixed.flatten(1)).view(TILE, TILE, len(into), -1, columns)  # 36 o*r*c -> 4 4 o r c
                    into[:, start:start + step] = found.permute(2, 3, 0, 4, 1)
        y = y.view(number, -1, rows * TILE, columns * TILE)[:, :, :height, :width]  # N O r 4 c 4 -> N O H W
        return y if bias is None else y.add_(bias[:, None, None])


def convolve_clip_by_tiles(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolution of a clip with channels last that keeps its size, by tiles of its frames.

    Args:
        x: (B, T, h, w, C).
        weight: (O, C, t, 3, 3), t odd.
        bias: (O,).

    Returns:
        Tensor: (B, T, h, w, O).
    """
    (batch, time, height, width, _), (out, _, taps, _, _), (kernel, tile, back) = x.shape, weight.shape, _matrices(x)
    rows, columns = -(-height // TILE), -(-width // TILE)
    x = F.pad(x, (0, 0, 1, columns * TILE - width + 1, 1, rows * TILE - height + 1, taps // 2, taps // 2))
    y = x.new_empty(batch, time, rows, TILE, columns, TILE, out)
    at_once = max(1, CLIP_TILES_AT_ONCE // (rows * columns))
    for clip, result in zip(x, y, strict=True):
        for start in range(0, time, at_once):
            number = min(at_once, time - start)
            tiles = clip[start:start + number + taps - 1].unfold(1, 6, TILE).unfold(2, 6, TILE)  # T r c C 6 6
            tiles = tiles.permute(4, 5, 0, 1, 2, 3)  # T r c C 6 6 -> 6 6 T r c C
            values = [(tile @ piece.reshape(36, -1)).view(36, number + taps - 1, -1, piece.shape[-1])
                      for piece in tiles.split(CHANNELS_AT_ONCE, dim=-1)]  # 36 T*r*c*C -> 36 T r*c C
            for piece, into in zip(weight.split(CHANNELS_AT_ONCE), result[start:start + number].split(
                    CHANNELS_AT_ONCE, dim=-1), strict=True):
                mixed = None
                for part, value in zip(piece.split(CHANNELS_AT_ONCE, dim=1), values, strict=True):
                    u = kernel @ part.permute(3, 4, 2, 1, 0).reshape(9, -1)  # o c t 3 3 -> 9 t*c*o
                    for k, slice_ in enumerate(u.view(36, taps, -1, len(piece)).unbind(1)):  # 36 c o
                        seen = value[:, k:k + number].flatten(1, 2)  # 36 T r*c C -> 36 T*r*c C
                        mixed = torch.bmm(seen, slice_) if mixed is None else mixed.baddbmm_(seen, slice_)
                found = (back @ mixed.flatten(1)).view(TILE, TILE, number, rows, columns, -1)
                into.copy_(found.permute(2, 3, 0, 4, 1, 5))  # 4 4 T r c o -> T r 4 c 4 o
    y = y.view(batch, time, rows * TILE, columns * TILE, out)[:, :, :height, :width]  # B T r 4 c 4 O -> B T h w O
    return y if bias is None else y.add_(bias)


def _matrices(like: Tensor) -> tuple[Tensor, ...]:
    return tuple(torch.from_numpy(matrix).to(like) for matrix in transforms())


def _evaluated(x: Tensor, tile: Tensor) -> Tensor:
    """All tiles of a map, evaluated: (C, h, w) -> (36, C, tiles)."""
    tiles = x.unfold(1, 6, TILE).unfold(2, 6, TILE)  # C r c 6 6
    return (tile @ tiles.permute(3, 4, 0, 1, 2).reshape(36, -1)).view(36, len(x), -1)  # -> 36 C*r*c -> 36 C r*c
