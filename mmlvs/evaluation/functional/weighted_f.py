"""Weighted F of saliency: errors count more near the object, and less inside it where the surroundings are right.

Errors outside the object are needed only where the smoothing of pixels inside can reach them, so the nearest true pixel
is looked up there alone, and no distance transform with indices is made.

Source: Margolin et al., "How to Evaluate Foreground Maps?", CVPR 2014.
"""
import math
from functools import cache

import cv2
import numpy as np

_REACH, _FAR = 3, 256
"""Half width of the smoothing window of the weighted F; distance beyond which its weight is 2 to 15 digits."""


@cache
def _smoothing() -> tuple[np.ndarray, tuple[tuple[int, list[tuple[int, int]]], ...], np.ndarray]:
    """Row of the Gaussian window; by squared distance the offsets (dy, dx) to pixels around; weight by it."""
    x = np.arange(-_REACH, _REACH + 1)
    row = np.exp(-(x * x) / 50)
    # of equally near pixels the leftmost, then the uppermost is first, as in SciPy's distance transform
    offsets = {square: [(dy, dx) for dx in range(-4, 5) for dy in range(-4, 5) if dy * dy + dx * dx == square]
               for square in range(1, 2 * _REACH**2 + 1)}
    weights = 2 - np.exp(math.log(0.5) / 5 * np.sqrt(np.arange(_FAR * _FAR + 1)))
    return row / row.sum(), tuple((square, around) for square, around in offsets.items() if around), weights


def weighted_f(prediction: np.ndarray, truth: np.ndarray, *, beta: float = 1.0, eps: float = float(
        np.finfo(np.float64).eps)) -> float:
    """Weighted F of one frame; 0 for an empty truth.

    Args:
        prediction: (H, W) float64 in 0..1.
        truth: (H, W) bool.
        beta: weight of recall.
        eps: guard of divisions.
    """
    if not truth.any():
        return 0.0
    kernel, _, weights = _smoothing()
    distance = cv2.distanceTransform((~truth).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    squares = np.rint(np.minimum(distance, _FAR) ** 2).astype(np.int32)
    outside = float(np.vdot(prediction, np.where(truth, 0, weights[squares])))
    x, y, width, height = cv2.boundingRect(truth.view(np.uint8))
    part = tuple(slice(max(start - _REACH, 0), start + size + _REACH) for start, size in ((y, height), (x, width)))
    own, inside = prediction[part], truth[part]
    error = _spread(np.abs(own - inside), inside, squares[part])
    smooth = cv2.sepFilter2D(error, cv2.CV_64F, kernel, kernel, borderType=cv2.BORDER_CONSTANT)
    missed = float(np.minimum(smooth, error)[inside].sum())
    true = int(np.count_nonzero(inside))
    recall, hits = 1 - missed / true, true - missed
    precision = hits / (hits + outside + eps)
    return (1 + beta) * recall * precision / (recall + beta * precision + eps)


def _spread(error: np.ndarray, truth: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Give every pixel that the smoothing of true pixels can reach the error of its nearest true pixel.

    Args:
        error: (h, w) float64, changed in place and returned.
        truth: (h, w) bool.
        squares: (h, w) squared distance to the nearest true pixel.
    """
    width = truth.shape[1] + 8
    inside = np.pad(truth, 4).ravel()  # (h + 8) * (w + 8)
    rows, columns = np.nonzero((squares > 0) & (squares <= 2 * _REACH**2))
    for square, offsets in _smoothing()[1]:
        some = squares[rows, columns] == square
        y, x = rows[some], columns[some]
        rows, columns = rows[~some], columns[~some]
        for dy, dx in offsets:
            hit = inside[(y + 4 + dy) * width + x + 4 + dx]
            error[y[hit], x[hit]] = error[y[hit] + dy, x[hit] + dx]
            y, x = y[~hit], x[~hit]
    return error
