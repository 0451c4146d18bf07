"""Scores written down as they are defined: whole frames, one mask, one threshold, one candidate at a time.

They say what the fast forms must give, and what those are measured against.
"""
import math

import cv2
import numpy as np


def _disk(radius: int) -> np.ndarray:
    y, x = np.ogrid[-radius:radius + 1, -radius:radius + 1]
    return x * x + y * y <= radius * radius


def _edges(mask: np.ndarray) -> np.ndarray:
    """Pixels that differ from their right, lower or lower right neighbour, (H, W) bool."""
    wide = np.pad(mask, ((0, 1), (0, 1)), mode='edge')
    edges = (mask != wide[:-1, 1:]) | (mask != wide[1:, :-1])
    edges[:-1, :-1] |= mask[:-1, :-1] != mask[1:, 1:]
    return edges


def dilate_cv2(edges: np.ndarray, radius: int) -> np.ndarray:
    """Dilation by a disk with OpenCV, (H, W) bool."""
    return cv2.dilate(edges.astype(np.uint8), _disk(radius).astype(np.uint8), borderValue=0) > 0


def dilate_scipy(edges: np.ndarray, radius: int) -> np.ndarray:
    """Dilation by a disk with SciPy, (H, W) bool."""
    from scipy.ndimage import binary_dilation

    return binary_dilation(edges, structure=_disk(radius))


def track_scores(prediction: np.ndarray, truth: np.ndarray, tolerance: float = 0.008, dilate=dilate_cv2
                 ) -> tuple[np.ndarray, np.ndarray]:
    """J and F of every frame of a track (T, H, W) bool; ``tolerance`` is a share of the diagonal."""
    radius = int(np.ceil(tolerance * np.hypot(*truth.shape[1:])))
    regions, boundaries = [], []
    for masks in zip(prediction != 0, truth != 0, strict=True):
        union = (masks[0] | masks[1]).sum()
        regions.append((masks[0] & masks[1]).sum() / union if union else 1.0)
        edges = [_edges(mask) for mask in masks]
        near = [dilate(edge, radius) for edge in edges]
        counts = [edge.sum() for edge in edges]
        if not all(counts):
            boundaries.append(float(counts[0] == counts[1]))
            continue
        precision, recall = ((edges[k] & near[1 - k]).sum() / counts[k] for k in (0, 1))
        boundaries.append(2 * precision * recall / (precision + recall) if precision + recall else 0.0)
    return np.asarray(regions, dtype=float), np.asarray(boundaries, dtype=float)


def candidate_scores(ground_truth: dict, predictions: list) -> dict[str, np.ndarray]:
    """A2D-Sentences: COCO's AP numbers, P@K, mean and overall IoU from decoded masks.

    ``ground_truth``: one run-length annotation an image; ``predictions``: COCO results.
    """
    from pycocotools import mask as rle

    truth = {row['image_id']: row for row in ground_truth['annotations']}
    ious: dict = {image: [] for image in sorted(truth)}
    best: dict = {}
    for place, row in enumerate(predictions):
        g = rle.decode(truth[row['image_id']]['segmentation']) > 0
        p = rle.decode(row['segmentation']) > 0
        inter, union = int((p & g).sum()), int((p | g).sum())
        ious[row['image_id']].append((row['score'], inter / max(union, 1), int(p.sum()), place))
        if row['image_id'] not in best or row['score'] >= best[row['image_id']][0]:
            best[row['image_id']] = (row['score'], inter, union)
    inter, union = np.asarray([best[row['id']][1:] for row in ground_truth['images']]).T
    eps = np.float32(1e-6)
    iou = (inter.astype(np.float32) + eps) / (union.astype(np.float32) + eps)
    out = {'precision': np.asarray([(iou.astype(float) > k).mean() for k in (0.5, 0.6, 0.7, 0.8, 0.9)]),
           'mean_iou': iou.mean(dtype=float), 'overall_iou': inter.sum() / union.sum()}
    limits = [(0, 1e10), (0, 32**2), (32**2, 96**2), (96**2, 1e10)]
    settings = [(0, 1), (0, 10), (0, 100), (1, 100), (2, 100), (3, 100)]
    thresholds = np.linspace(0.5, 0.95, 10)
    tables = {setting: [_average_precision(ious, truth, t, limits[setting[0]], setting[1]) for t in thresholds]
              for setting in settings}

    def mean(values):
        values = [value for value in values if value is not None]
        return float(np.mean(values)) if values else -1.0

    aps = [row[0] for row in tables[0, 100]]
    out['coco'] = np.asarray([mean(aps), mean(aps[:1]), mean(aps[5:6])]
                             + [mean([row[0] for row in tables[k, 100]]) for k in (1, 2, 3)]
                             + [mean([row[1] for row in tables[setting]]) for setting in settings])
    return out


def _average_precision(ious: dict, truth: dict, threshold: float, limits: tuple, most: int) -> tuple:
    """AP over 101 recall points and the final recall at one threshold; None twice without a true mask in range."""
    ranked, wanted = [], 0
    for image, rows in ious.items():
        ignored = not limits[0] <= truth[image]['area'] <= limits[1]
        wanted += not ignored
        taken = False
        for score, iou, area, _ in sorted(rows, key=lambda row: -row[0])[:most]:
            hit = not taken and iou >= min(threshold, 1 - 1e-10)
            taken |= hit
            if not (ignored if hit else not limits[0] <= area <= limits[1]):
                ranked.append((score, hit))
    if not wanted:
        return None, None
    ranked.sort(key=lambda row: -row[0])
    hits = np.cumsum([hit for _, hit in ranked], dtype=float)
    recall, precision = hits / wanted, hits / np.arange(1, len(ranked) + 1)
    values = [max(precision[recall >= r], default=0.0) for r in np.linspace(0, 1, 101)]
    return float(np.mean(values)), float(recall[-1]) if len(recall) else 0.0


def saliency_scores(prediction: np.ndarray, truth: np.ndarray, protocol: str = 'standard', weighted: bool = False
                    ) -> dict[str, np.ndarray]:
    """MAE, S and the curves of F and E of one frame (H, W) uint8, one pass over the pixels for every threshold."""
    standard = protocol == 'standard'
    p = prediction / 255
    if standard:
        p = (p - p.min()) / (p.max() - p.min()) if p.max() > p.min() else p
        g = (truth > 128).astype(float)
        levels, eps = (p * 255).astype(np.uint8), np.finfo(float).eps
        passing = [levels >= t for t in range(255, -1, -1)]
    else:
        g, eps = truth / 255, 1e-20
        thresholds = np.concatenate([np.arange(128, dtype=np.float32) * np.float32(1 / 255),
                                     np.float32(1) - np.arange(127, -1, -1).astype(np.float32) * np.float32(1 / 255)])
        shown = prediction.astype(np.float32) / np.float32(255)
        passing = [shown >= t for t in thresholds]
    out = {'mae': np.abs(p - g).mean(), 's': _structure(p, g if standard else (g >= 0.5).astype(float), g.mean(),
                                                        standard, eps)}
    inside = g == 1 if np.isin(g, (0, 1)).all() else None
    curves = np.asarray([_at(b, g, inside, standard, eps) for b in passing])
    out |= {'f': curves[:, 0], 'e': curves[:, 1]}
    if standard:
        out['adaptive_f'], out['adaptive_e'] = _at(p >= min(2 * p.mean(), 1), g, inside, standard, eps)
    if weighted:
        out['wf'] = _weighted(p, g > 0.5)
    return out


def _at(b: np.ndarray, g: np.ndarray, inside: np.ndarray | None, standard: bool, eps: float) -> tuple[float, float]:
    """F and E of one thresholded map; ``inside``: a truth of 0 and 1 as bool, None for a soft one."""
    hits = float((b * g).sum()) if inside is None else np.count_nonzero(b & inside)
    shown, there = np.count_nonzero(b), float(g.sum()) if inside is None else np.count_nonzero(inside)
    if standard:
        precision, recall = hits / max(shown, 1), hits / max(there, 1)
        f = 1.3 * precision * recall / (0.3 * precision + recall) if hits else 0.0
    else:
        precision, recall = hits / (shown + 1e-20), hits / (there + 1e-20)
        f = 1.3 * precision * recall / (0.3 * precision + recall + 1e-10)
    if standard and there == 0:
        return f, float((~b).sum()) / (b.size - 1)
    if standard and there == g.size:
        return f, float(b.sum()) / (b.size - 1)
    if inside is not None:  # four kinds of pixels
        both, there = int(hits), int(there)
        kinds = [(1, 1, both), (1, 0, shown - both), (0, 1, there - both), (0, 0, b.size - shown - there + both)]
    else:
        kinds = [(b, g, 1)]
    total = 0.0
    for own, true, count in kinds:
        own, away = own - shown / b.size, true - there / b.size
        total += np.sum(count * (2 * away * own / (away**2 + own**2 + eps) + 1)**2 / 4)
    return f, float(total) / (b.size - 1)


def _structure(p: np.ndarray, g: np.ndarray, mean: float, standard: bool, eps: float) -> float:
    if mean == 0 if standard else mean < 1e-4:
        return 1 - p.mean()
    if mean == 1:
        return p.mean()

    def part(values):
        deviation = values.std(ddof=1) if values.size > 1 else 0.0 if standard else math.nan
        return 2 * values.mean() / (values.mean()**2 + 1 + deviation + eps)

    share = g.mean()
    if share in (0, 1):
        return math.nan
    objects = share * part(p[g == 1]) + (1 - share) * part(1 - p[g == 0])
    y, x = (int(v) + standard for v in np.argwhere(g == 1).mean(axis=0).round())
    height, width = g.shape
    weights = [x * y, (width - x) * y, x * (height - y), (width - x) * (height - y)]
    regions = 0.0
    for weight, rows, columns in zip(weights, (slice(0, y), slice(0, y), slice(y, None), slice(y, None)),
                                     (slice(0, x), slice(x, None)) * 2, strict=True):
        a, b = p[rows, columns], g[rows, columns]
        if not a.size:
            return math.nan
        if not standard and a.min() == a.max():  # no rounding: the reference's own (float32) hangs on its library
            a = np.full(1, a.min()) if b.min() == b.max() else a
            b = b[:1, 0] if a.size == 1 else b
        n = max(a.size - 1, eps)
        va, vb = ((v - v.mean())**2 for v in (a, b))
        above = 4 * a.mean() * b.mean() * ((a - a.mean()) * (b - b.mean())).sum() / n
        below = (a.mean()**2 + b.mean()**2) * (va.sum() + vb.sum()) / n
        regions += weight / g.size * (above / (below + eps) if above else float(below == 0))
    return max(0.5 * objects + 0.5 * regions, 0.0)


def _weighted(p: np.ndarray, g: np.ndarray) -> float:
    from scipy.ndimage import convolve, distance_transform_edt

    if not g.any():
        return 0.0
    distance, index = distance_transform_edt(~g, return_indices=True)
    error = np.abs(p - g)
    spread = error.copy()
    spread[~g] = error[tuple(axis[~g] for axis in index)]
    y, x = np.mgrid[-3:4, -3:4]
    kernel = np.exp(-(x * x + y * y) / 50)
    smooth = convolve(spread, kernel / kernel.sum(), mode='constant')
    error = np.where(g & (smooth < error), smooth, error) * np.where(g, 1, 2 - np.exp(math.log(0.5) / 5 * distance))
    recall, hits = 1 - error[g].mean(), g.sum() - error[g].sum()
    precision = hits / (hits + error[~g].sum() + np.finfo(float).eps)
    return 2 * recall * precision / (recall + precision + np.finfo(float).eps)
