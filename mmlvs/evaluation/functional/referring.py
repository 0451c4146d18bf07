"""Scores of referring image and key-frame segmentation: P@K, overall and mean IoU, COCO average precision.

The published evaluators of A2D-Sentences, JHMDB-Sentences and RefCOCO agree in the words and differ in the small print:
what two empty masks score, whether an IoU equal to the threshold counts, in which type both are compared. An
:class:`IoUConvention` states each of them; ``CONVENTIONS`` has those of the methods here.

Source: Gavrilyuk et al., "Actor and Action Video Segmentation from a Sentence", CVPR 2018 (P@K, overall and mean IoU);
Lin et al., "Microsoft COCO", ECCV 2014 (average precision).
"""
import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mmlvs.evaluation.functional.candidates import (
    COCO_AREAS,
    COCO_NUMBERS,
    ImageCandidates,
    as_rle,
    average_precision,
    image_candidates,
)

__all__ = ['COCO_NUMBERS', 'CONVENTIONS', 'CandidateSummary', 'IoUConvention', 'IoUSummary', 'best_candidate_areas',
           'box_areas', 'candidate_summary', 'choose_candidates', 'coco_summary', 'iou_summary', 'mask_areas',
           'rle_areas']


@dataclass(frozen=True)
class IoUConvention:
    """The small print of IoU, P@K and overall IoU.

    IoU = (I + ``numerator_eps``) / (U + ``denominator_eps``), ``empty_value`` where U = 0, all in ``dtype``. P@K counts
    IoU > K, with ``closed`` IoU >= K, compared in ``threshold_dtype``. Overall IoU = sum I / (sum U + ``overall_eps``),
    summed in ``accumulate_dtype``.
    """

    numerator_eps: float = 0.0
    denominator_eps: float = 0.0
    empty_value: float = 0.0
    dtype: str = 'float64'
    closed: bool = True
    threshold_dtype: str = 'float64'
    accumulate_dtype: str = 'float64'
    overall_eps: float = 0.0
    thresholds: tuple[float, ...] = (0.5, 0.6, 0.7, 0.8, 0.9)


CONVENTIONS = {
    'referformer': IoUConvention(numerator_eps=1e-6, denominator_eps=1e-6, empty_value=1.0, dtype='float32',
                                 closed=False),
    'lavt': IoUConvention(),
    'locater': IoUConvention(empty_value=1.0, dtype='float32', threshold_dtype='float32', accumulate_dtype='float32'),
    'ciou_giou': IoUConvention(denominator_eps=1e-5, empty_value=1.0, dtype='float32', accumulate_dtype='float32',
                               overall_eps=1e-10),
}
"""ReferFormer and its family; LAVT's test; Locater; cIoU and gIoU (overall and mean IoU) of LISA and Sa2VA."""


class IoUSummary(NamedTuple):
    """Result of :func:`iou_summary`: IoU of each sample, share of samples that pass each threshold, mean, overall."""

    iou: np.ndarray
    precision: np.ndarray
    mean_iou: float
    overall_iou: float


def iou_summary(intersections: Sequence[float], unions: Sequence[float], convention: IoUConvention, *,
                present: Sequence[bool] | None = None) -> IoUSummary:
    """P@K, mean and overall IoU of samples.

    Args:
        intersections, unions: (samples,) areas.
        convention: the small print.
        present: (samples,) whether the sample has a prediction; one without adds nothing to the sums and counts with
            IoU 0.

    Raises:
        ValueError: there are no samples, or lengths differ.
    """
    c = convention
    inter, union = (np.asarray(v, dtype=np.float64).reshape(-1) for v in (intersections, unions))
    present = np.ones(len(inter), dtype=bool) if present is None else np.asarray(present, dtype=bool).reshape(-1)
    if not len(inter) or not len(inter) == len(union) == len(present):
        raise ValueError(f'expected equally many intersections, unions and flags, at least one, found {len(inter)}, '
                         f'{len(union)}, {len(present)}')
    inter, union = np.where(present, inter, 0), np.where(present, union, 0)
    kind = np.dtype(c.dtype).type
    empty = union == 0
    numerator = inter.astype(kind) + kind(c.numerator_eps)
    denominator = np.where(empty, kind(1), union.astype(kind) + kind(c.denominator_eps))
    iou = np.where(empty, kind(c.empty_value), numerator / denominator)
    iou = np.where(present, iou, kind(0))
    compared = iou.astype(c.threshold_dtype)
    limits = np.asarray(c.thresholds, dtype=c.threshold_dtype)[:, None]  # (thresholds, 1)
    precision = (compared >= limits if c.closed else compared > limits).mean(axis=1)
    total_i, total_u = (v.astype(c.accumulate_dtype).sum(dtype=c.accumulate_dtype) for v in (inter, union))
    total_u = total_u + np.dtype(c.accumulate_dtype).type(c.overall_eps)
    overall = float(total_i / total_u) if total_u else float(c.empty_value)
    return IoUSummary(iou, precision, float(iou.mean(dtype=np.float64)), overall)


def mask_areas(predictions: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Intersection and union of mask pairs, (samples, H, W) non-zero inside -> two (samples,) integers.

    Raises:
        ValueError: shapes differ.
    """
    predictions, targets = np.asarray(predictions) != 0, np.asarray(targets) != 0
    if predictions.shape != targets.shape or predictions.ndim != 3:
        raise ValueError(f'expected masks of one shape (samples, H, W), found {predictions.shape}, {targets.shape}')
    return (predictions & targets).sum(axis=(1, 2)), (predictions | targets).sum(axis=(1, 2))


def rle_areas(prediction: dict, target: dict) -> tuple[int, int]:
    """Intersection and union of two COCO run-length masks ``{'size': [H, W], 'counts': ...}``.

    Raises:
        ValueError: sizes differ.
    """
    from pycocotools import mask as rle

    if list(prediction['size']) != list(target['size']):
        raise ValueError(f'predicted mask has size {prediction["size"]}, the truth {target["size"]} (H, W)')
    pair = [as_rle(m, m['size']) for m in (prediction, target)]
    intersection = int(rle.area(rle.merge(pair, intersect=True)))
    return intersection, int(rle.area(pair[0])) + int(rle.area(pair[1])) - intersection


def box_areas(prediction: Sequence[float], target: Sequence[float]) -> tuple[float, float]:
    """Intersection and union of two boxes x1, y1, x2, y2."""
    (px1, py1, px2, py2), (tx1, ty1, tx2, ty2) = prediction, target
    intersection = max(min(px2, tx2) - max(px1, tx1), 0) * max(min(py2, ty2) - max(py1, ty1), 0)
    return intersection, (px2 - px1) * (py2 - py1) + (tx2 - tx1) * (ty2 - ty1) - intersection


def choose_candidates(image_ids: Sequence[Any], predictions: Sequence[dict], *, tie: str = 'last') -> list[int]:
    """For each image the position of its best-scored candidate in the list of predictions.

    Args:
        image_ids: images in the order wanted.
        predictions: rows with ``image_id`` and ``score``.
        tie: of equal scores the ``'last'`` (P@K of the ReferFormer family) or the ``'first'`` counts.

    Raises:
        ValueError: an image has no prediction, or ``tie`` is unknown.
    """
    if tie not in ('first', 'last'):
        raise ValueError(f'tie {tie!r}: expected first or last')
    best: dict[Any, int] = {}
    for position, row in enumerate(predictions):
        held = best.get(row['image_id'])
        if held is None or row['score'] > predictions[held]['score'] or (
                tie == 'last' and row['score'] == predictions[held]['score']):
            best[row['image_id']] = position
    missing = [i for i in image_ids if i not in best]
    if missing:
        raise ValueError(f'{len(missing)} of {len(image_ids)} images have no prediction, e.g. {missing[0]!r}')
    return [best[i] for i in image_ids]


def best_candidate_areas(ground_truth: dict, predictions: Sequence[dict], *, of: str = 'mask', tie: str = 'last'
                         ) -> tuple[list[int], np.ndarray, np.ndarray]:
    """Chosen candidate of each image and its areas against the image's one annotation.

    Args:
        ground_truth: COCO dictionary with one annotation per image; boxes x, y, width, height.
        predictions: COCO results; boxes x1, y1, x2, y2.
        of: ``'mask'`` or ``'box'``.
        tie: see :func:`choose_candidates`.

    Returns:
        Positions in ``predictions``, intersections, unions; in the order of ``ground_truth['images']``.

    Raises:
        ValueError: an image has not exactly one annotation or no prediction, or ``of`` is unknown.
    """
    if of not in ('mask', 'box'):
        raise ValueError(f'of {of!r}: expected mask or box')
    images = [row['id'] for row in ground_truth['images']]
    truth: dict[Any, dict] = {}
    for row in ground_truth['annotations']:
        if row['image_id'] in truth:
            raise ValueError(f'image {row["image_id"]!r} has several annotations, expected one')
        truth[row['image_id']] = row
    without = [i for i in images if i not in truth]
    if without:
        raise ValueError(f'image {without[0]!r} has no annotation, expected one')
    chosen = choose_candidates(images, predictions, tie=tie)
    pairs = []
    for image, position in zip(images, chosen, strict=True):
        if of == 'mask':
            pairs.append(rle_areas(predictions[position]['segmentation'], truth[image]['segmentation']))
        else:
            x, y, w, h = truth[image]['bbox']
            pairs.append(box_areas(predictions[position]['bbox'], (x, y, x + w, y + h)))
    inter, union = np.asarray(pairs).reshape(-1, 2).T  # (images, 2) -> 2 x (images,)
    return chosen, inter, union


def coco_summary(ground_truth: dict, predictions: Sequence[dict], *, iou_type: str = 'segm',
                 use_categories: bool = False, iou_thresholds: Sequence[float] | None = None,
                 recall_points: int = 101, max_detections: Sequence[int] = (1, 10, 100),
                 area_limits: Sequence[float] = COCO_AREAS, prediction_area: str = 'mask') -> np.ndarray:
    """The twelve COCO numbers (``COCO_NUMBERS``), float64; -1 where nothing is there to measure.

    Equal scores rank in the order of the list, images in the sorted order of their ids. Nothing is read or printed.

    Args:
        ground_truth: COCO dictionary (images, annotations, categories).
        predictions: COCO results (image_id, category_id, segmentation and/or bbox, score); not modified.
        iou_type: ``'segm'`` or ``'bbox'``.
        use_categories: hold predictions against truth of their category only.
        iou_thresholds: None = 0.5, 0.55 ... 0.95.
        recall_points: number of recall values at which precision is read.
        max_detections: three numbers of best predictions of an image.
        area_limits: four limits of small, medium and large, in pixels.
        prediction_area: ``'mask'``: areas come from the masks; ``'box'``: third times fourth number of ``bbox``, as the
            COCO loader takes them when a result has a box.

    Raises:
        ValueError: there are no predictions, or one names an unknown image.
    """
    if prediction_area not in ('mask', 'box'):
        raise ValueError(f'prediction_area {prediction_area!r}: expected mask or box')
    if not predictions:
        raise ValueError('no predictions to evaluate')
    unknown = {p['image_id'] for p in predictions} - {row['id'] for row in ground_truth['images']}
    if unknown:
        raise ValueError(f'predictions name {len(unknown)} images that the truth lacks, e.g. {next(iter(unknown))!r}')
    options = dict(iou_thresholds=iou_thresholds, recall_points=recall_points, max_detections=max_detections,
                   area_limits=area_limits)
    if iou_type == 'segm' and _one_truth_each(ground_truth, use_categories):
        return _summary_of_single_truths(ground_truth, predictions, _single_truths(ground_truth, predictions),
                                         prediction_area, options)
    drop = {'bbox'} if prediction_area == 'mask' and iou_type == 'segm' else set()
    rows = [{k: v for k, v in p.items() if k not in drop} for p in predictions]
    return _summary_of_coco(ground_truth, rows, iou_type, use_categories, options)


class CandidateSummary(NamedTuple):
    """Result of :func:`candidate_summary`: IoU and P@K of the best candidates, the twelve COCO numbers."""

    iou: IoUSummary
    coco: np.ndarray


def candidate_summary(ground_truth: dict, predictions: Sequence[dict], *, convention: str = 'referformer',
                      tie: str = 'last') -> CandidateSummary:
    """All scores of A2D- and JHMDB-Sentences from COCO files, every overlap computed once.

    Args:
        ground_truth: COCO dictionary with one annotation per image.
        predictions: COCO results, scored candidates in the order of their list.
        convention: of ``CONVENTIONS``.
        tie: see :func:`choose_candidates`.

    Raises:
        ValueError: an image has not exactly one plain annotation, or no prediction; a prediction names another image.
    """
    if not _one_truth_each(ground_truth, use_categories=False):
        raise ValueError('expected exactly one annotation of each image, no crowd, ids from 1')
    known = {row['id'] for row in ground_truth['images']}
    unknown = {row['image_id'] for row in predictions} - known
    if unknown or not predictions:
        raise ValueError(f'predictions name {len(unknown)} images that the truth lacks, e.g. {sorted(unknown)[0]!r}'
                         if unknown else 'no predictions to evaluate')
    images = _single_truths(ground_truth, predictions)
    lost = [image for image, row in images.items() if not len(row.scores)]
    if lost:
        raise ValueError(f'{len(lost)} of {len(images)} images have no prediction, e.g. {lost[0]!r}')
    rows = [images[row['id']] for row in ground_truth['images']]
    best = [row.best(tie=tie) for row in rows]
    found = iou_summary([row.intersections[k] for row, k in zip(rows, best, strict=True)],
                        [row.unions[k] for row, k in zip(rows, best, strict=True)], CONVENTIONS[convention])
    return CandidateSummary(found, _summary_of_single_truths(ground_truth, predictions, images, 'mask', {}))


def _one_truth_each(ground_truth: dict, use_categories: bool) -> bool:
    """Whether every image has one plain annotation and categories cannot matter."""
    rows = ground_truth['annotations']
    owners = [row['image_id'] for row in rows]
    plain = all(row['id'] and not row.get('iscrowd') and not row.get('ignore') for row in rows)
    return (plain and not use_categories and len(set(owners)) == len(owners)
            and set(owners) == {row['id'] for row in ground_truth['images']})


def _single_truths(ground_truth: dict, predictions: Sequence[dict]) -> dict[Any, ImageCandidates]:
    """Candidates of every image, in the sorted order of ids."""
    sizes = {row['id']: (row['height'], row['width']) for row in ground_truth['images']}
    rows: dict[Any, list[dict]] = {image: [] for image in sorted(sizes)}
    for row in predictions:
        rows[row['image_id']].append(row)
    truth = {row['image_id']: row for row in ground_truth['annotations']}
    return {image: image_candidates([row['score'] for row in own],
                                    [as_rle(row['segmentation'], sizes[image]) for row in own],
                                    as_rle(truth[image]['segmentation'], sizes[image])) for image, own in rows.items()}


def _summary_of_single_truths(ground_truth: dict, predictions: Sequence[dict], images: dict[Any, ImageCandidates],
                              prediction_area: str, options: dict) -> np.ndarray:
    truth_areas = {row['image_id']: row['area'] for row in ground_truth['annotations']}
    areas = None
    if prediction_area == 'box' and predictions[0].get('bbox', []) != []:
        boxes: dict[Any, list[float]] = {image: [] for image in images}
        for row in predictions:
            boxes[row['image_id']].append(row['bbox'][2] * row['bbox'][3])
        areas = [np.asarray(own) for own in boxes.values()]
    return average_precision(list(images.values()), truth_areas=[truth_areas[image] for image in images],
                             candidate_areas=areas, **options)


def _summary_of_coco(ground_truth: dict, rows: list[dict], iou_type: str, use_categories: bool, options: dict
                     ) -> np.ndarray:
    """Several true masks of an image, crowds, categories or boxes: pycocotools' own evaluator."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {**ground_truth, 'annotations': [dict(a) for a in ground_truth['annotations']]}
        truth.dataset.setdefault('info', {})
        truth.createIndex()
        evaluator = COCOeval(truth, truth.loadRes(rows), iou_type)
        p = evaluator.params
        p.useCats = int(use_categories)
        if options['iou_thresholds'] is not None:
            p.iouThrs = np.asarray(options['iou_thresholds'], dtype=np.float64)
        p.recThrs = np.linspace(0, 1, options['recall_points'])
        p.maxDets = sorted(options['max_detections'])
        low, small, medium, high = options['area_limits']
        p.areaRng = [[low, high], [low, small], [small, medium], [medium, high]]
        evaluator.evaluate()
        evaluator.accumulate()
    return _coco_numbers(evaluator.eval['precision'], evaluator.eval['recall'], p.iouThrs)


def _coco_numbers(precision: np.ndarray, recall: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """precision (threshold, recall point, category, area, detections), recall without the second axis -> 12 numbers."""

    def mean(values: np.ndarray) -> float:
        values = values[values > -1]
        return float(values.mean()) if values.size else -1.0

    average = [mean(precision[..., 0, 2])]
    average += [mean(precision[np.isclose(thresholds, t), ..., 0, 2]) for t in (0.5, 0.75)]
    average += [mean(precision[..., area, 2]) for area in (1, 2, 3)]
    average += [mean(recall[..., 0, detections]) for detections in (0, 1, 2)]
    average += [mean(recall[..., area, 2]) for area in (1, 2, 3)]
    return np.asarray(average)
