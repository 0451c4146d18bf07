"""Masks with 64 pixels to a word: boundaries, dilation by a disk and counts as a few operations on whole frames.

The time depends on the size of the masks' common bounding box and on the radius, hardly on what the masks show: speckle
over the whole frame costs little more than one blob of its size.

Axes: N masks, H W pixels, V words of a row. Bit k of word v of a row is column 64 v + k.
"""
import math
from functools import lru_cache

import cv2
import numpy as np

WORD = 64
LARGEST_RADIUS = 64
"""Above this many pixels dilation goes through a distance transform, whose time does not grow with the radius."""
_ONE, _LAST = np.uint64(1), np.uint64(WORD - 1)
_BITS = np.array([bin(k).count('1') for k in range(256)], dtype=np.uint8)
_EXACT_FLOAT32_RADIUS = 1000  # squared distances up to here are exact after rounding in float32


def pack(masks: np.ndarray) -> np.ndarray:
    """Words (N, H, V) of masks (N, H, W), non-zero inside; bits beyond the width are 0."""
    masks = masks if masks.dtype in (np.bool_, np.uint8) else masks != 0
    packed = np.packbits(masks, axis=-1, bitorder='little')  # (N, H, bytes)
    out = np.zeros((*masks.shape[:2], -(-masks.shape[2] // WORD) * (WORD // 8)), dtype=np.uint8)
    out[..., :packed.shape[-1]] = packed
    return out.view('<u8')


def unpack(words: np.ndarray, width: int) -> np.ndarray:
    """Boolean masks (N, H, W) of words (N, H, V)."""
    return np.unpackbits(words.view(np.uint8), axis=-1, count=width, bitorder='little').astype(bool)


def count_bits(words: np.ndarray) -> np.ndarray:
    """Pixels of each mask, words (..., H, V) -> integers (...)."""
    if hasattr(np, 'bitwise_count'):
        bits = np.bitwise_count(words)
    else:  # NumPy 1
        bits = _BITS[np.ascontiguousarray(words).view(np.uint8)]
    return bits.sum(axis=(-2, -1), dtype=np.int64)


def crop(words: np.ndarray) -> tuple[np.ndarray, tuple[slice, slice]]:
    """The part of words (N, H, V) that holds all pixels and, where the frame goes on, a row above and below.

    Returns:
        The part (N, h, v), a view, and its rows and words in the frame.
    """
    every = np.bitwise_or.reduce(words, axis=0)  # (H, V)
    rows, columns = (np.flatnonzero(np.bitwise_or.reduce(every, axis=axis)) for axis in (1, 0))
    if not len(rows):
        return words[:, :0, :0], (slice(0, 0), slice(0, 0))
    # boundary pixels lie on the upper left side, so that column 64 v - 1 belongs to word v - 1
    part = (slice(max(int(rows[0]) - 1, 0), int(rows[-1]) + 2), slice(max(int(columns[0]) - 1, 0),
                                                                      int(columns[-1]) + 1))
    return words[:, part[0], part[1]], part


def boundaries(words: np.ndarray, width: int) -> np.ndarray:
    """Boundary pixels (N, H, V): those that differ from their right, lower or lower right neighbour.

    Args:
        words: masks (N, H, V).
        width: columns between the first word and the right border of the image; the border is no boundary.
    """
    right = words >> _ONE  # the neighbour to the right, moved here
    right[..., :-1] |= words[..., 1:] << _LAST
    lower = words[:, 1:]
    out = words ^ right
    out[:, :-1] |= words[:, :-1] ^ right[:, 1:]
    last, bit = divmod(width - 1, WORD)
    if last < words.shape[-1]:  # the last column has no right neighbour
        out[..., last] &= np.uint64((1 << bit) - 1)
    out[:, :-1] |= words[:, :-1] ^ lower
    return out


@lru_cache(maxsize=64)
def disk_rows(radius: float) -> tuple[int, ...]:
    """Half widths of the rows 0, 1, ... of the disk dx^2 + dy^2 <= radius^2."""
    limit = math.floor(radius * radius + 1e-9)  # squared distances are integers
    return tuple(math.isqrt(limit - dy * dy) for dy in range(math.isqrt(limit) + 1))


def dilate(words: np.ndarray, radius: float) -> np.ndarray:
    """Pixels at most ``radius`` away from a pixel, (N, h, v) -> (N, h, v); nothing comes in from outside.

    Args:
        words: masks; columns beyond the right border of the image may get pixels.
        radius: in pixels.
    """
    if radius > LARGEST_RADIUS:
        return pack(_within(unpack(words, words.shape[-1] * WORD), radius))
    number, height, length = words.shape
    widths = disk_rows(float(radius))
    # one empty word after each row keeps rows apart on the flat line of words
    grown = np.zeros((number, height, length + 1), dtype=words.dtype)
    grown[..., :length] = words
    out = np.zeros_like(grown)
    flat, reach, spare = grown.reshape(-1), 0, np.empty(grown.size, dtype=words.dtype)  # (N * h * (v + 1),)
    for dy in range(len(widths) - 1, -1, -1):  # from the narrowest row of the disk to the widest
        while reach < widths[dy]:
            step = min(widths[dy] - reach, reach + 1)  # a longer step would leave gaps
            _smear(flat, step, spare)
            reach += step
        if dy == 0:
            out |= grown
        elif dy < height:
            out[:, dy:] |= grown[:, :-dy]
            out[:, :-dy] |= grown[:, dy:]
    return out[..., :length]


def _smear(flat: np.ndarray, step: int, spare: np.ndarray) -> None:
    """Add to a line of words, in place, itself moved by ``step`` < 64 bits both ways."""
    by, back = np.uint64(step), np.uint64(WORD - step)
    before = flat.copy()
    flat |= np.left_shift(before, by, out=spare)
    flat |= np.right_shift(before, by, out=spare)
    flat[1:] |= np.right_shift(before[:-1], back, out=spare[1:])
    flat[:-1] |= np.left_shift(before[1:], back, out=spare[1:])


def _within(masks: np.ndarray, radius: float) -> np.ndarray:
    """Boolean masks (N, H, W) dilated by a disk through distances."""
    from scipy.ndimage import distance_transform_edt

    limit, out = math.floor(radius * radius + 1e-9), np.zeros(masks.shape, dtype=bool)
    for k, mask in enumerate(masks):
        if not mask.any():
            continue
        if radius <= _EXACT_FLOAT32_RADIUS:
            distance = cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        else:
            distance = distance_transform_edt(~mask)
        out[k] = distance * distance < limit + 0.5
    return out
