"""Region similarity J and boundary measure F, their statistics, and the DAVIS evaluation of sequences.

Source: Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation", CVPR 2016,
section 4; Pont-Tuset et al., "The 2017 DAVIS Challenge", 2017; Caelles et al., "The 2019 DAVIS Challenge: Unsupervised
Multi-Object Segmentation", 2019. Per frame all published evaluators agree; frame selection, void, matching and
averaging are arguments.

Axes: T frames, P proposals, O objects, H W pixels. Everything here is NumPy in, numbers out.
"""
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from mmlvs.evaluation.functional import bit_masks

VOID_LABEL = 255


def boundary_radius(shape: Sequence[int], tolerance: float = 0.008) -> float:
    """Radius of the disk within which boundaries count as matching, in pixels.

    Args:
        shape: (H, W) of the masks.
        tolerance: below 1 a share of the image diagonal, rounded up to pixels; from 1 on the radius itself.
    """
    if tolerance < 0:
        raise ValueError(f'boundary tolerance {tolerance}: expected a share of the diagonal (< 1) or pixels (>= 1)')
    return tolerance if tolerance >= 1 else math.ceil(tolerance * math.hypot(*shape[-2:]))


def boundary_map(mask: np.ndarray) -> np.ndarray:
    """Boundary pixels of a mask (H, W): those that differ from their right, lower or lower right neighbour.

    The image border is no boundary, so a mask that fills the image has none.
    """
    mask = np.asarray(mask, dtype=bool)
    return bit_masks.unpack(bit_masks.boundaries(bit_masks.pack(mask[None]), mask.shape[1]), mask.shape[1])[0]


def _packed(masks: np.ndarray, void: np.ndarray | None) -> np.ndarray:
    """Words (N, H, V) of masks (N, H, W), non-zero inside, without the pixels of ``void`` (H, W)."""
    words = bit_masks.pack(masks)
    if void is None:
        return words
    void = np.asarray(void, dtype=bool)
    if void.shape != masks.shape[1:]:
        raise ValueError(f'void has size {void.shape}, the masks {masks.shape[1:]} (H, W)')
    return words & ~bit_masks.pack(void[None])


def _same_size(predictions: np.ndarray, truths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Masks (P, H, W) and (O, H, W) as arrays."""
    predictions, truths = np.asarray(predictions), np.asarray(truths)
    if predictions.ndim != 3 or truths.ndim != 3:
        raise ValueError(f'expected masks of shape (number, H, W), found {predictions.shape} and {truths.shape}')
    if predictions.shape[1:] != truths.shape[1:]:
        raise ValueError(f'predicted masks have size {predictions.shape[1:]}, the truth {truths.shape[1:]} (H, W): '
                         'bring predictions to the original size first')
    return predictions, truths


def pair_scores(predictions: np.ndarray, truths: np.ndarray, *, void: np.ndarray | None = None,
                tolerance: float = 0.008) -> tuple[np.ndarray, np.ndarray]:
    """J and F of every (prediction, truth) pair of one frame.

    Args:
        predictions: (P, H, W), non-zero inside.
        truths: (O, H, W), non-zero inside.
        void: (H, W) bool, pixels removed from both before anything is measured.
        tolerance: see :func:`boundary_radius`.

    Returns:
        J and F, float64 (P, O). J of two empty masks is 1, F of two masks without boundary is 1.

    Raises:
        ValueError: the sizes differ.
    """
    predictions, truths = _same_size(predictions, truths)
    number, width = len(predictions), truths.shape[2]
    masks, (_, columns) = bit_masks.crop(np.concatenate([_packed(predictions, void), _packed(truths, void)]))
    areas = bit_masks.count_bits(masks)
    edges = bit_masks.boundaries(masks, width - columns.start * bit_masks.WORD)
    lengths = bit_masks.count_bits(edges)
    compared = bool(lengths[:number].any() and lengths[number:].any())
    near = bit_masks.dilate(edges, boundary_radius(truths.shape, tolerance)) if compared else edges
    j = np.ones((number, len(truths)))
    f = (lengths[:number, None] == lengths[number:]).astype(np.float64)  # where a boundary is empty
    for column in range(len(truths)):
        own = number + column
        common = bit_masks.count_bits(masks[:number] & masks[own])
        union = areas[:number] + areas[own] - common
        j[:, column] = np.where(union > 0, common / np.maximum(union, 1), 1.0)
        precision = bit_masks.count_bits(edges[:number] & near[own]) / np.maximum(lengths[:number], 1)
        recall = bit_masks.count_bits(near[:number] & edges[own]) / max(lengths[own], 1)
        both, total = (lengths[:number] > 0) & (lengths[own] > 0), precision + recall
        f[both, column] = (2 * precision * recall / np.where(total > 0, total, 1))[both]
    return j, f


def region_similarity(prediction: np.ndarray, truth: np.ndarray, *, void: np.ndarray | None = None) -> float:
    """J of one frame: intersection over union of two masks (H, W) outside ``void``; 1 when both are empty."""
    p, g = (_packed(masks, void) for masks in _same_size(np.asarray(prediction)[None], np.asarray(truth)[None]))
    union = int(bit_masks.count_bits(p | g)[0])
    return int(bit_masks.count_bits(p & g)[0]) / union if union else 1.0


def boundary_measure(prediction: np.ndarray, truth: np.ndarray, *, void: np.ndarray | None = None,
                     tolerance: float = 0.008) -> float:
    """F of one frame: harmonic mean of precision and recall of boundary pixels within the tolerance."""
    return frame_scores(prediction, truth, void=void, tolerance=tolerance)[1]


def frame_scores(prediction: np.ndarray, truth: np.ndarray, *, void: np.ndarray | None = None,
                 tolerance: float = 0.008) -> tuple[float, float]:
    """(J, F) of one frame of masks (H, W); see :func:`pair_scores`."""
    j, f = pair_scores(np.asarray(prediction)[None], np.asarray(truth)[None], void=void, tolerance=tolerance)
    return float(j[0, 0]), float(f[0, 0])


def track_scores(prediction: np.ndarray, truth: np.ndarray, *, void: np.ndarray | None = None,
                 tolerance: float = 0.008) -> tuple[np.ndarray, np.ndarray]:
    """J and F of every frame of a binary track, float64 (T,) each.

    Args:
        prediction, truth: (T, H, W), non-zero inside.
        void: (T, H, W) bool.
        tolerance: see :func:`boundary_radius`.
    """
    if len(prediction) != len(truth):
        raise ValueError(f'prediction has {len(prediction)} frames, the truth {len(truth)}')
    voids = [None] * len(truth) if void is None else void
    rows = [frame_scores(p, g, void=v, tolerance=tolerance) for p, g, v in zip(prediction, truth, voids, strict=True)]
    j, f = np.asarray(rows, dtype=np.float64).reshape(-1, 2).T  # (T, 2) -> 2 x (T,)
    return j, f


class Statistics(NamedTuple):
    """Summary of a series of frame scores."""

    mean: float
    recall: float
    decay: float


def mean_of(values: Iterable[float]) -> float:
    """Mean without NaN; NaN when nothing is left."""
    values = np.asarray(values, dtype=np.float64)
    values = values[~np.isnan(values)]
    return float(values.mean()) if values.size else math.nan


def series_recall(values: Sequence[float], *, threshold: float = 0.5, closed: bool = False) -> float:
    """Share of frames above the threshold (``closed``: at it, too); a NaN frame is a miss; NaN for no frames."""
    values = np.asarray(values, dtype=np.float64)
    hits = values >= threshold if closed else values > threshold
    return float(hits.mean()) if values.size else math.nan


def series_decay(values: Sequence[float], *, bins: int = 4, toolkit_exact: bool = False) -> float:
    """Mean of the first of ``bins`` parts of a series minus the mean of the last; neighbouring parts share a frame.

    Args:
        values: (T,) scores; NaN frames are left out of the means.
        bins: number of parts.
        toolkit_exact: keep the part limits in 8 bits as the DAVIS toolkit does. They wrap in series of 256 and more
            frames, which makes the decay wrong or NaN there; only for the sake of comparing with published numbers.
    """
    values = np.asarray(values, dtype=np.float64)
    if not values.size:
        return math.nan
    limits = np.round(np.linspace(1, len(values), bins + 1) + 1e-10).astype(np.int64) - 1
    stops = limits + 1
    if toolkit_exact:
        limits, stops = limits % 256, (limits % 256 + 1) % 256
    return mean_of(values[limits[0]:stops[1]]) - mean_of(values[limits[-2]:stops[-1]])


def series_statistics(values: Sequence[float], *, skip: dict[str, Sequence[int]] | None = None, threshold: float = 0.5,
                      closed: bool = False, bins: int = 4, toolkit_exact: bool = False) -> Statistics:
    """Mean, recall and decay of the frame scores of one track.

    Args:
        values: (T,) scores.
        skip: ``{'mean' | 'recall' | 'decay': (first, last)}``, number of frames left out at either end; none by
            default.
        threshold, closed: see :func:`series_recall`.
        bins, toolkit_exact: see :func:`series_decay`.
    """
    values = np.asarray(values, dtype=np.float64)
    unknown = set(skip or {}) - set(Statistics._fields)
    if unknown:
        raise ValueError(f'skip names {sorted(unknown)}: expected some of {Statistics._fields}')

    def used(name: str) -> np.ndarray:
        first, last = (skip or {}).get(name, (0, 0))
        return values[first:max(len(values) - last, first)]

    return Statistics(mean_of(used('mean')), series_recall(used('recall'), threshold=threshold, closed=closed),
                      series_decay(used('decay'), bins=bins, toolkit_exact=toolkit_exact))


@dataclass(frozen=True)
class SequenceScores:
    """Frame scores of the objects of one sequence.

    ``pairs``: (predicted index, true index) of each row; ``j``, ``f``: float64 (rows, T).
    """

    pairs: list[tuple[int, int]]
    j: np.ndarray
    f: np.ndarray

    def statistics(self, **options) -> tuple[np.ndarray, np.ndarray]:
        """(rows, 3) statistics of J and of F; options as in :func:`series_statistics`."""
        j, f = ([series_statistics(row, **options) for row in rows] for rows in (self.j, self.f))
        return np.asarray(j, dtype=float).reshape(-1, 3), np.asarray(f, dtype=float).reshape(-1, 3)


def evaluate_sequence(prediction: np.ndarray, truth: np.ndarray, *, task: str = 'unsupervised',
                      void: np.ndarray | None = None, ignore_void: bool | None = None,
                      drop_first_and_last: bool | None = None, max_proposals: int | None = 20,
                      surplus: str | None = None, tolerance: float = 0.008) -> SequenceScores:
    """Scores of one sequence of index maps after the DAVIS 2017 evaluation.

    The objects are 1 to the largest index of the first true frame; an object that has no prediction is scored against
    an empty mask. Index 255 of the truth is void: background in any case.

    Args:
        prediction: (T, H, W) integer index maps, 0 background.
        truth: (T, H, W) integer index maps, 0 background, 255 void.
        task: ``'unsupervised'`` matches predictions to objects so that the mean over frames of (J + F) / 2 is largest;
            ``'semi-supervised'`` holds prediction k against object k.
        void: (T, H, W) bool, further void pixels.
        ignore_void: leave void pixels out of the measures; by default in the unsupervised task only.
        drop_first_and_last: leave out the first and the last frame; by default in the semi-supervised task only.
        max_proposals: largest number of predicted objects of the unsupervised task; None for any.
        surplus: predictions beyond the objects of the truth: ``'candidate'`` (take part in the matching), ``'removed'``
            or ``'error'``; by default candidates in the unsupervised task, an error in the other.
        tolerance: see :func:`boundary_radius`.

    Returns:
        One row per object: in the order of the true indices, or of the matched predicted indices when unsupervised.

    Raises:
        ValueError: shapes differ, there are too many predicted objects, or an argument is unknown.
    """
    prediction, truth = np.asarray(prediction), np.asarray(truth)
    if prediction.shape != truth.shape or truth.ndim != 3 or not len(truth):
        raise ValueError(f'expected two index maps (T, H, W) of equal shape, found {prediction.shape} and '
                         f'{truth.shape}')
    if task not in ('unsupervised', 'semi-supervised'):
        raise ValueError(f'task {task!r}: expected unsupervised or semi-supervised')
    matching = task == 'unsupervised'
    ignore_void = matching if ignore_void is None else ignore_void
    drop = not matching if drop_first_and_last is None else drop_first_and_last
    surplus = surplus or ('candidate' if matching else 'error')
    if surplus not in ('candidate', 'removed', 'error') or (surplus == 'candidate' and not matching):
        raise ValueError(f'surplus {surplus!r} with task {task!r}: expected candidate (unsupervised only), removed or '
                         'error')

    unknown = truth == VOID_LABEL
    truth = np.where(unknown, 0, truth)
    unknown = unknown if void is None else unknown | np.asarray(void, dtype=bool)
    num_objects, num_predicted = int(truth[0].max()), int(prediction.max())
    if surplus == 'removed':
        num_predicted = min(num_predicted, num_objects)
    if surplus == 'error' and num_predicted > num_objects:
        raise ValueError(f'prediction has index {num_predicted}, but the first true frame has objects 1 to '
                         f'{num_objects}; a binary mask must be stored with index 1, not 255')
    if matching and max_proposals is not None and num_predicted > max_proposals:
        raise ValueError(f'prediction has {num_predicted} objects, at most {max_proposals} are allowed; '
                         'a binary mask must be stored with index 1, not 255')
    num_proposals = max(num_predicted, num_objects)  # missing predictions are empty masks

    frames = range(1, len(truth) - 1) if drop else range(len(truth))
    shape = (num_proposals, num_objects, len(frames)) if matching else (num_objects, len(frames))
    j, f = np.zeros(shape), np.zeros(shape)
    for position, t in enumerate(frames):
        scope = unknown[t] if ignore_void else None
        masks = [[maps[t] == k for k in range(1, count + 1)]
                 for maps, count in ((prediction, num_proposals), (truth, num_objects))]
        if not num_objects:
            continue
        if matching:
            j[..., position], f[..., position] = pair_scores(np.stack(masks[0]), np.stack(masks[1]), void=scope,
                                                             tolerance=tolerance)
        else:
            for k, (p, g) in enumerate(zip(*masks, strict=True)):
                j[k, position], f[k, position] = frame_scores(p, g, void=scope, tolerance=tolerance)
    return match_proposals(j, f) if matching else SequenceScores([(k, k) for k in range(1, num_objects + 1)], j, f)


def match_proposals(j: np.ndarray, f: np.ndarray) -> SequenceScores:
    """Match predictions to objects so that the mean over frames of (J + F) / 2 is largest.

    Args:
        j, f: (P, O, T) scores of every pair.

    Returns:
        One row per matched object, in the order of the predictions.
    """
    quality = ((j + f) / 2).mean(axis=2) if j.shape[2] else np.zeros(j.shape[:2])  # (P, O)
    rows, columns = linear_sum_assignment(-quality)
    pairs = [(int(p) + 1, int(o) + 1) for p, o in zip(rows, columns, strict=True)]
    return SequenceScores(pairs, j[rows, columns], f[rows, columns])


def dataset_scores(sequences: Iterable[SequenceScores], **options) -> dict[str, float]:
    """The DAVIS table of a data set: means over all objects of all sequences.

    Args:
        sequences: scores of each sequence.
        options: as in :func:`series_statistics`.

    Returns:
        ``J&F-Mean``, ``J-Mean``, ``J-Recall``, ``J-Decay``, ``F-Mean``, ``F-Recall``, ``F-Decay``, fractions of 1.
    """
    tables = [scores.statistics(**options) for scores in sequences]
    if not tables:
        raise ValueError('no sequence to summarise')
    out = {}
    for name, rows in zip('JF', zip(*tables, strict=True), strict=True):
        rows = np.concatenate(rows)  # (objects, 3)
        out |= {f'{name}-{label}': mean_of(rows[:, k]) for k, label in enumerate(('Mean', 'Recall', 'Decay'))}
    return {'J&F-Mean': (out['J-Mean'] + out['F-Mean']) / 2, **out}
