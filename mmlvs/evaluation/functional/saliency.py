"""Saliency of a frame: MAE, F, E, S and weighted F from one joint histogram, and their means over a data set.

Every measure but the weighted F depends on a frame only through how many pixels have which predicted and which true
level in each of the four parts around the object's centre. They are counted once; curves over 256 thresholds then are
sums over 256 levels and no passes over pixels.

Source: Achanta et al., "Frequency-tuned Salient Region Detection", CVPR 2009 (F); Fan et al., "Structure-measure",
ICCV 2017 (S); Fan et al., "Enhanced-alignment Measure", IJCAI 2018 (E); weighted F: :mod:`.weighted_f`.

Axes: H W pixels, L = 256 predicted levels, D distinct true levels, Q = 4 parts, K = 256 thresholds.
"""
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np

from mmlvs.evaluation.functional.weighted_f import weighted_f

LEVELS = 256
SALIENCY_NUMBERS = ('MAE', 'maxF', 'meanF', 'adpF', 'maxE', 'meanE', 'adpE', 'S', 'wF')
"""Names of the numbers of :func:`saliency_summary`, in order."""
_EXACT_IN_FLOAT32 = 2**24
_NEAR = 1e-9


@dataclass(frozen=True)
class SaliencyConvention:
    """The small print of saliency measures.

    Args:
        minmax: stretch every predicted map to 0..1 first, unless it is constant.
        truth_above: a pixel is true when its level is above this; None: truth is soft, level / 255 (S binarises it).
        structure_from: lowest level that is true for S.
        shifted: thresholds are k / 255 as ``k * (1 / 255)`` in float32 up to the middle, which puts 63 of them above
            level k: those act as k + 1.
        descending: curves begin with the highest threshold.
        beta2, alpha: weight of precision in F, share of the object part in S.
        weighted_beta: beta of the weighted F.
        eps, f_eps: guards of divisions; ``f_eps`` 0: F is 0 where nothing is hit.
        special_truth: E of an empty truth is the share of pixels below the threshold, of a full one that above it
            (False: A = 0 everywhere, E = N / 4 / (N - 1)).
        empty_below: mean of the truth below which S takes it for empty (0: only when it is exactly empty).
        centre_offset: added to the rounded centre of the object in S.
        one_pixel_deviation: standard deviation of a single pixel, 0 or NaN.
        rounded_means: in S, take the mean of a part of one level as NumPy rounds it: if it misses the level, two
            constant parts are not alike. False: they are.
        skip_first, skip_last: frames of each video that do not count.
        per_video: average over frames, then over videos; False: over all frames at once.
    """

    minmax: bool = True
    truth_above: int | None = 128
    structure_from: int = 129
    shifted: bool = False
    descending: bool = True
    beta2: float = 0.3
    alpha: float = 0.5
    weighted_beta: float = 1.0
    eps: float = float(np.finfo(np.float64).eps)
    f_eps: float = 0.0
    special_truth: bool = True
    empty_below: float = 0.0
    centre_offset: int = 1
    one_pixel_deviation: float = 0.0
    rounded_means: bool = True
    skip_first: int = 0
    skip_last: int = 0
    per_video: bool = False

    def about(self) -> str:
        """What a reader of a table must know, in a line."""
        skipped = [name for name, number in (('first', self.skip_first), ('last', self.skip_last)) if number]
        return '; '.join((
            'maps stretched to 0..1 frame by frame' if self.minmax else 'maps as they stand',
            'soft truth' if self.truth_above is None else f'truth above level {self.truth_above}',
            f'without the {" and the ".join(skipped)} frame of each video' if skipped else 'all frames',
            'mean over frames, then over videos' if self.per_video else 'mean over the frames of all videos'))


SALIENCY_CONVENTIONS = {
    'standard': SaliencyConvention(),
    'isomer': SaliencyConvention(minmax=False, truth_above=None, structure_from=128, shifted=True, descending=False,
                                 eps=1e-20, f_eps=1e-10, special_truth=False, empty_below=1e-4, centre_offset=0,
                                 one_pixel_deviation=math.nan, rounded_means=False, skip_first=1, skip_last=1,
                                 per_video=True),
}
"""``standard``: PySODMetrics, the field's evaluator; ``isomer``: the video evaluator of Isomer (see ``docs``)."""


class SaliencyScores(NamedTuple):
    """Measures of one frame; curves are float64 (K,). S is NaN where the convention cannot score the frame."""

    mae: float
    precision: np.ndarray
    recall: np.ndarray
    f: np.ndarray
    e: np.ndarray
    adaptive_f: float
    adaptive_e: float
    structure: float
    weighted_f: float = math.nan

    def numbers(self) -> dict[str, float]:
        """The frame's own numbers, named as in ``SALIENCY_NUMBERS``; maxima are those of its curves."""
        return dict(zip(SALIENCY_NUMBERS, (
            self.mae, float(self.f.max()), float(self.f.mean()), self.adaptive_f, float(self.e.max()),
            float(self.e.mean()), self.adaptive_e, self.structure, self.weighted_f), strict=True))


def convention_of(protocol: str | SaliencyConvention) -> SaliencyConvention:
    """The convention of a name.

    Raises:
        ValueError: the name is unknown.
    """
    if isinstance(protocol, SaliencyConvention):
        return protocol
    if protocol not in SALIENCY_CONVENTIONS:
        raise ValueError(f'protocol {protocol!r}: expected one of {sorted(SALIENCY_CONVENTIONS)}')
    return SALIENCY_CONVENTIONS[protocol]


def saliency_scores(prediction: np.ndarray, truth: np.ndarray, *, protocol: str | SaliencyConvention = 'standard',
                    weighted: bool = False) -> SaliencyScores:
    """All measures of one frame.

    Args:
        prediction, truth: (H, W) uint8 levels 0..255.
        protocol: name of a convention, or one.
        weighted: also compute the weighted F, which costs a distance transform; NaN without.

    Raises:
        ValueError: shapes differ, levels are not uint8, or the protocol is unknown.
    """
    c = convention_of(protocol)
    prediction, truth = _levels(prediction, 'prediction'), _levels(truth, 'truth')
    if prediction.shape != truth.shape:
        raise ValueError(f'predicted map has size {prediction.shape}, the truth {truth.shape} (H, W): resize the '
                         'prediction to the truth first')
    inside = truth >= c.structure_from
    centre = _centre(inside, c)
    counts, weights = _counts(prediction, truth if c.truth_above is None else (truth > c.truth_above) * np.uint8(255),
                              centre)  # (Q, L, D), (D,)
    total = counts.sum(axis=0)  # (L, D)
    levels = _values(total.sum(axis=1), c)  # (L,)
    pixels, true_mean = prediction.size, float(total.sum(axis=0) @ weights) / prediction.size
    mae = float((total * np.abs(levels[:, None] - weights)).sum() / pixels)
    above = _above(total, levels, c)  # (K, D)
    precision, recall, f = _f(above, total.sum(axis=0), weights, c)
    mean = float(total.sum(axis=1) @ levels) / pixels
    if np.abs(levels - 2 * mean).min() < _NEAR:
        mean = float(levels[prediction].mean())  # summed pixel by pixel: a level at the threshold hangs on the rounding
    adaptive = total[levels >= min(2 * mean, 1.0)].sum(axis=0)[None]  # (1, D)
    structure = _structure(counts, levels, weights, centre, inside.shape, true_mean, c)
    return SaliencyScores(
        mae, precision, recall, f, _e(above, total.sum(axis=0), weights, true_mean, c),
        float(_f(adaptive, total.sum(axis=0), weights, c)[2][0]),
        float(_e(adaptive, total.sum(axis=0), weights, true_mean, c)[0]), structure,
        weighted_f(levels[prediction], inside, beta=c.weighted_beta, eps=c.eps) if weighted else math.nan)


def _levels(array: np.ndarray, name: str) -> np.ndarray:
    array = np.asarray(array)
    if array.ndim != 2 or array.dtype != np.uint8 or not array.size:
        raise ValueError(f'{name}: expected uint8 levels of shape (H, W), found {array.dtype} {array.shape}')
    return np.ascontiguousarray(array)


def _centre(inside: np.ndarray, c: SaliencyConvention) -> tuple[int, int]:
    """Row and column where the four parts meet: the rounded mean position of true pixels."""
    rows, columns = (cv2.reduce(inside.view(np.uint8), axis, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel()
                     for axis in (1, 0))
    count = int(rows.sum())
    if not count:
        return inside.shape[0] // 2, inside.shape[1] // 2  # not used: an empty truth has its own rule
    return tuple(int(np.round(np.dot(sums.astype(np.int64), np.arange(len(sums))) / count)) + c.centre_offset
                 for sums in (rows, columns))


def _parts(shape: Sequence[int], centre: tuple[int, int]) -> list[tuple[slice, slice]]:
    """Left top, right top, left bottom, right bottom."""
    y, x = centre
    return [(rows, columns) for rows in (slice(0, y), slice(y, shape[0])) for columns in (slice(0, x),
                                                                                          slice(x, shape[1]))]


def _histogram(levels: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """(L,) counts of the levels (h, w) uint8, of the pixels where ``mask`` (h, w) uint8 is not 0."""
    if not levels.size:
        return np.zeros(LEVELS, np.int64)
    if levels.size < _EXACT_IN_FLOAT32:
        return cv2.calcHist([levels], [0], mask, [LEVELS], [0, LEVELS]).ravel().astype(np.int64)
    return np.bincount((levels if mask is None else levels[mask > 0]).ravel(), minlength=LEVELS)


def _counts(prediction: np.ndarray, truth: np.ndarray, centre: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of each part by predicted and true level, (Q, L, D), and the true levels as shares of 255, (D,)."""
    found = np.flatnonzero(_histogram(truth))
    parts = [(prediction[part], truth[part]) for part in _parts(truth.shape, centre)]
    if len(found) <= 2:
        low, high = int(found[0]), int(found[-1])
        rows = []
        for p, g in parts:
            whole = _histogram(p)
            upper = _histogram(p, g if low == 0 else (g == high).view(np.uint8)) if high > low else whole
            rows.append(np.stack([whole - upper, upper], axis=1))
        return np.stack(rows), np.array([low if high > low else 0, high]) / 255
    place = np.zeros(LEVELS, np.int64)
    place[found] = np.arange(len(found))
    size = LEVELS * len(found)
    rows = [np.bincount((p.astype(np.int64) * len(found) + place[g]).ravel(), minlength=size) for p, g in parts]
    return np.stack(rows).reshape(4, LEVELS, len(found)), found / 255  # (Q, L * D) -> (Q, L, D)


def _values(counts: np.ndarray, c: SaliencyConvention) -> np.ndarray:
    """(L,) float64 value of each predicted level."""
    levels = np.arange(LEVELS) / 255
    used = levels[counts > 0]
    if not c.minmax or used[0] == used[-1]:
        return levels
    return np.clip((levels - used[0]) / (used[-1] - used[0]), 0, 1)


@cache
def _first_level(shifted: bool) -> np.ndarray:
    """(K,) lowest level that passes threshold k; LEVELS when none does."""
    k = np.arange(LEVELS)
    if not shifted:
        return k
    step, levels = np.float32(1 / 255), k.astype(np.float32) / np.float32(255)
    thresholds = np.where(k < LEVELS // 2, k.astype(np.float32) * step,
                          np.float32(1) - (255 - k).astype(np.float32) * step)
    return np.searchsorted(levels, thresholds)


def _above(total: np.ndarray, levels: np.ndarray, c: SaliencyConvention) -> np.ndarray:
    """(K, D) pixels that pass each threshold, from the pixels (L, D) and the values (L,) of the levels."""
    binned = np.zeros((LEVELS + 1, total.shape[1]), np.int64)
    np.add.at(binned, (levels * 255).astype(np.uint8) if c.minmax else np.arange(LEVELS), total)
    passing = binned[::-1].cumsum(axis=0)[::-1][_first_level(c.shifted)]
    return passing[::-1] if c.descending else passing


def _f(above: np.ndarray, truth: np.ndarray, weights: np.ndarray, c: SaliencyConvention
       ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision, recall and F, (K,) each, from the passing (K, D) and all (D,) pixels of each true level."""
    hits, shown, there = above @ weights, above.sum(axis=1), float(truth @ weights)
    if c.f_eps:
        precision, recall = hits / (shown + c.eps), hits / (there + c.eps)
        return precision, recall, (1 + c.beta2) * precision * recall / (c.beta2 * precision + recall + c.f_eps)
    precision, recall = hits / np.maximum(shown, 1), hits / max(there, 1)
    below = np.where(hits > 0, c.beta2 * precision + recall, 1)
    return precision, recall, (1 + c.beta2) * precision * recall / below


def _e(above: np.ndarray, truth: np.ndarray, weights: np.ndarray, true_mean: float, c: SaliencyConvention
       ) -> np.ndarray:
    """E, (K,), from the passing (K, D) and all (D,) pixels of each true level."""
    pixels, shown = int(truth.sum()), above.sum(axis=1)
    scale = max(pixels - 1, c.eps)
    if c.special_truth and true_mean in (0, 1):
        return (shown if true_mean else pixels - shown) / scale
    away = weights - true_mean  # (D,)
    out = np.zeros(len(above))
    for value, count in ((1, above), (0, truth - above)):  # (K, D)
        own = (value - shown / pixels)[:, None]  # (K, 1)
        aligned = 2 * away * own / (away * away + own * own + c.eps)
        out += (count * (aligned + 1) ** 2).sum(axis=1) / 4
    return out / scale


def _structure(counts: np.ndarray, levels: np.ndarray, weights: np.ndarray, centre: tuple[int, int],
               shape: Sequence[int], true_mean: float, c: SaliencyConvention) -> float:
    """S from the pixels (Q, L, D) of the four parts."""
    pixels, total = shape[0] * shape[1], counts.sum(axis=(0, 2))  # (L,)
    mean = float(total @ levels) / pixels
    inside = np.round(weights * 255) >= c.structure_from  # (D,)
    binary = np.stack([counts[..., ~inside].sum(axis=2), counts[..., inside].sum(axis=2)], axis=2)  # (Q, L, 2)
    share = float(binary[..., 1].sum()) / pixels
    if (true_mean if c.truth_above is None else share) < c.empty_below or (not c.empty_below and not share):
        return 1 - mean
    if (true_mean if c.truth_above is None else share) == 1:
        return mean
    if share in (0, 1):
        return math.nan  # a soft truth of which S keeps nothing, or everything
    whole = binary.sum(axis=0)  # (L, 2)
    objects = (share * _object(whole[:, 1], levels, c) + (1 - share) * _object(whole[:, 0], 1 - levels, c))
    (y, x), (height, width) = centre, shape
    parts = [x * y / pixels, (width - x) * y / pixels, x * (height - y) / pixels]
    parts.append(1 - parts[0] - parts[1] - parts[2])
    regions = sum(weight * _similarity(part, levels, place, shape, c)
                  for weight, part, place in zip(parts, binary, _parts(shape, centre), strict=True))
    found = c.alpha * objects + (1 - c.alpha) * regions
    return found if math.isnan(found) else max(float(found), 0.0)


def _object(counts: np.ndarray, values: np.ndarray, c: SaliencyConvention) -> float:
    """2 x / (x^2 + 1 + s) for the mean x and deviation s of pixels (L,)."""
    number = int(counts.sum())
    x = float(counts @ values) / number
    deviation = c.one_pixel_deviation if number == 1 else math.sqrt(float(counts @ (values - x) ** 2) / (number - 1))
    return 2 * x / (x * x + 1 + deviation + c.eps)


def _similarity(counts: np.ndarray, values: np.ndarray, place: tuple[slice, slice], shape: Sequence[int],
                c: SaliencyConvention) -> float:
    """Structural similarity of prediction and truth in one part (L, 2) of the frame; NaN for a part without pixels."""
    number = int(counts.sum())
    if not number:
        return math.nan
    each, true = counts.sum(axis=1), int(counts[:, 1].sum())
    scale, y = max(number - 1, c.eps), true / number
    true_varies = (true * (1 - y) ** 2 + (number - true) * y**2) / scale
    used = np.flatnonzero(each)
    if len(used) == 1:
        x, together = float(values[used[0]]), 0.0
        rounded = float(np.full(shape, x)[place].mean()) if c.rounded_means and true in (0, number) else x
        varies = number * (x - rounded) ** 2 / scale
    else:
        x = float(each @ values) / number
        spread = values - x
        varies = float(each @ spread**2) / scale
        together = 0.0 if true in (0, number) else float(
            counts[:, 1] @ spread * (1 - y) - counts[:, 0] @ spread * y) / scale
    above, below = 4 * x * y * together, (x * x + y * y) * (varies + true_varies)
    if above:
        return above / (below + c.eps)
    return float(not below)


def saliency_summary(videos: Mapping[str, Sequence[SaliencyScores]], *,
                     protocol: str | SaliencyConvention = 'standard') -> dict[str, float]:
    """Numbers of a data set: curves are averaged first, their maxima and means are taken after.

    Args:
        videos: scores of the frames of every video, in order.
        protocol: says which frames count and what is averaged first.

    Returns:
        ``SALIENCY_NUMBERS`` -> fraction. NaN of a frame stays NaN of the whole.

    Raises:
        ValueError: no video, or one without a frame that counts.
    """
    c = convention_of(protocol)
    used = {name: list(frames)[c.skip_first:len(frames) - c.skip_last] for name, frames in videos.items()}
    empty = [name for name, frames in used.items() if not frames]
    if empty or not used:
        raise ValueError(f'videos {empty[:5]} have no frame to score: the protocol leaves out the first '
                         f'{c.skip_first} and the last {c.skip_last}' if empty else 'no video to score')
    groups = list(used.values()) if c.per_video else [[row for frames in used.values() for row in frames]]
    mean = SaliencyScores(*(np.mean([np.mean([row[k] for row in rows], axis=0) for rows in groups], axis=0)
                            for k in range(len(SaliencyScores._fields))))
    return {name: float(value) for name, value in mean.numbers().items()}
