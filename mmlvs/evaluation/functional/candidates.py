"""Average precision of scored candidates where every image has one true mask (A2D-Sentences, JHMDB, RefCOCO).

The numbers are those of pycocotools' ``COCOeval``. With one true mask an image, matching is "the first candidate, in
the order of scores, that reaches the threshold", so that all images are matched at once.

Source: Lin et al., "Microsoft COCO", ECCV 2014.

Axes: I images, D candidates of an image (the most that any has), A area ranges, S IoU thresholds.
"""
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

COCO_NUMBERS = ('AP', 'AP50', 'AP75', 'AP_small', 'AP_medium', 'AP_large', 'AR_1', 'AR_10', 'AR_100', 'AR_small',
                'AR_medium', 'AR_large')
"""Names of the numbers of :func:`average_precision`, in order."""
COCO_THRESHOLDS = tuple(np.linspace(0.5, 0.95, 10).tolist())
COCO_AREAS = (0, 32**2, 96**2, 1e10)


@dataclass(frozen=True)
class ImageCandidates:
    """Candidates of one image, in the order of the list, against its one true mask.

    ``scores``, ``intersections`` and ``areas``: (q,); ``truth_area``: pixels of the true mask.
    """

    scores: np.ndarray
    intersections: np.ndarray
    areas: np.ndarray
    truth_area: int

    @property
    def unions(self) -> np.ndarray:
        """(q,) pixels of candidate or truth."""
        return self.areas + self.truth_area - self.intersections

    @property
    def ious(self) -> np.ndarray:
        """(q,) IoU, 0 where nothing is common."""
        return self.intersections / np.maximum(self.unions, 1)

    def best(self, *, tie: str = 'last') -> int:
        """Position of the candidate of highest score: of equal ones the ``'last'`` or the ``'first'``.

        Raises:
            ValueError: there is no candidate, or ``tie`` is unknown.
        """
        if tie not in ('first', 'last'):
            raise ValueError(f'tie {tie!r}: expected first or last')
        if not len(self.scores):
            raise ValueError('an image without candidates has no best one')
        return int(self.scores.argmax()) if tie == 'first' else len(self.scores) - 1 - int(self.scores[::-1].argmax())


def as_rle(segmentation: Any, size: Sequence[int]) -> dict:
    """A COCO segmentation (run lengths, compressed or not, or polygons) as compressed run lengths.

    Args:
        segmentation: of an annotation or a result.
        size: (H, W) of the image, for polygons.
    """
    polygons = isinstance(segmentation, list)
    if not polygons and not isinstance(segmentation['counts'], list):
        return segmentation
    from pycocotools import mask as rle

    return rle.merge(rle.frPyObjects(segmentation, *size)) if polygons else rle.frPyObjects(segmentation,
                                                                                           *segmentation['size'])


def image_candidates(scores: Sequence[float], masks: Sequence[dict], truth: dict) -> ImageCandidates:
    """Candidates of one image without decoding a mask.

    Args:
        scores: (q,) in the order of the list.
        masks: q compressed run lengths.
        truth: compressed run lengths of the true mask.

    Raises:
        ValueError: numbers or sizes differ.
    """
    from pycocotools import mask as rle

    if len(scores) != len(masks):
        raise ValueError(f'{len(masks)} masks with {len(scores)} scores')
    for mask in masks:
        if tuple(mask['size']) != tuple(truth['size']):
            raise ValueError(f'predicted mask has size {list(mask["size"])}, the truth {list(truth["size"])} (H, W)')
    *areas, truth_area = rle.area([*masks, truth]).tolist()
    areas = np.asarray(areas, dtype=np.int64)
    intersections = np.zeros(len(masks), dtype=np.int64)
    if len(masks):
        ious = np.asarray(rle.iou(masks, [truth], [False]), dtype=np.float64)[:, 0]  # (q, 1) -> (q,)
        # I = IoU (A + G) / (1 + IoU) is a whole number, which rounding restores exactly
        intersections = np.rint(ious * (areas + truth_area) / (1 + ious)).astype(np.int64)
    return ImageCandidates(np.asarray(scores, dtype=np.float64), intersections, areas, truth_area)


def average_precision(images: Sequence[ImageCandidates], *, truth_areas: Sequence[float] | None = None,
                      candidate_areas: Sequence[np.ndarray] | None = None,
                      iou_thresholds: Sequence[float] | None = None, recall_points: int = 101,
                      max_detections: Sequence[int] = (1, 10, 100), area_limits: Sequence[float] = COCO_AREAS
                      ) -> np.ndarray:
    """The twelve numbers of ``COCO_NUMBERS``, float64; -1 where nothing is there to measure.

    Equal scores rank in the order of the images and of their lists.

    Args:
        images: every image that has a true mask, in the sorted order of ids.
        truth_areas: areas that decide small, medium and large; by default those of the masks.
        candidate_areas: the same for the candidates of each image.
        iou_thresholds: None = 0.5, 0.55 ... 0.95.
        recall_points: number of recall values at which precision is read.
        max_detections: three numbers of best candidates of an image.
        area_limits: four limits of small, medium and large, in pixels.

    Raises:
        ValueError: there are no images.
    """
    if not images:
        raise ValueError('no image to evaluate')
    limits = np.asarray(COCO_THRESHOLDS if iou_thresholds is None else iou_thresholds, dtype=np.float64)
    few, some, most = sorted(max_detections)
    truth = np.asarray([row.truth_area for row in images] if truth_areas is None else truth_areas, dtype=np.float64)
    scores, ious, areas, valid = _table(images, candidate_areas, most)  # (I, D) each
    hit = (ious >= np.minimum(limits, 1 - 1e-10)[:, None, None]) & valid  # (S, I, D)
    matched = hit & (hit.cumsum(axis=2) == 1)
    low, small, medium, high = area_limits
    ranges = np.asarray([(low, high), (low, small), (small, medium), (medium, high)])[:, :, None]  # (A, 2, 1)
    outside = (truth < ranges[:, 0]) | (truth > ranges[:, 1])  # (A, I)
    order = np.argsort(-scores[valid], kind='stable')  # over all images
    rank = np.broadcast_to(np.arange(valid.shape[1]), valid.shape)[valid][order]
    found, recalled = [], []
    for number, ignored in enumerate(outside):
        area_outside = (areas < ranges[number, 0]) | (areas > ranges[number, 1])  # (I, D)
        left_out = np.where(matched, ignored[:, None], area_outside)  # (S, I, D)
        true, false = ((kind & ~left_out)[:, valid][:, order] for kind in (matched, ~matched))  # (S, candidates)
        for limit in (few, some, most) if number == 0 else (most,):
            kept = rank < limit
            precision, recall = _curves(true[:, kept], false[:, kept], int((~ignored).sum()), recall_points)
            recalled.append((number, limit, recall))
            if limit == most:
                found.append(precision)
    average = [_mean(found[0])]
    average += [_mean(found[0][np.isclose(limits, t)]) for t in (0.5, 0.75)]
    average += [_mean(precision) for precision in found[1:]]
    return np.asarray(average + [_mean(recall) for _, _, recall in recalled])


def _table(images: Sequence[ImageCandidates], candidate_areas: Sequence[np.ndarray] | None, most: int
           ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Scores, IoU, areas and whether there is a candidate, (I, D); best first, at most ``most`` of an image."""
    depth = min(max((len(row.scores) for row in images), default=0), most)
    scores, ious, areas = (np.zeros((len(images), depth)) for _ in range(3))
    valid = np.zeros((len(images), depth), dtype=bool)
    for place, row in enumerate(images):
        best = np.argsort(-row.scores, kind='stable')[:most]
        own = row.areas if candidate_areas is None else np.asarray(candidate_areas[place])
        number = len(best)
        scores[place, :number], ious[place, :number] = row.scores[best], row.ious[best]
        areas[place, :number], valid[place, :number] = own[best], True
    return scores, ious, areas, valid


def _curves(true: np.ndarray, false: np.ndarray, truths: int, recall_points: int) -> tuple[np.ndarray, np.ndarray]:
    """Precision at the recall points (S, recall_points) and final recall (S,) of ranked candidates (S, candidates)."""
    if not truths:
        return np.full((len(true), recall_points), -1.0), np.full(len(true), -1.0)
    out, last = np.zeros((len(true), recall_points)), np.zeros(len(true))
    if not true.shape[1]:
        return out, last
    true, false = (kind.cumsum(axis=1).astype(np.float64) for kind in (true, false))
    recall, precision = true / truths, true / (false + true + np.spacing(1))
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    for row in range(len(true)):
        places = np.searchsorted(recall[row], np.linspace(0, 1, recall_points), side='left')
        reached = places < recall.shape[1]
        out[row, reached] = envelope[row, places[reached]]
    return out, recall[:, -1]


def _mean(values: np.ndarray) -> float:
    values = values[values > -1]
    return float(values.mean()) if values.size else -1.0
