"""Measures of one expression's track beside J and F: temporal and spatio-temporal IoU, pixel accuracy, robustness,
and how well expressions without a target are told apart.

Source: Liang et al., "Long-RVOS", 2025 (tIoU, vIoU); Yan et al., "VISA: Reasoning Video Object Segmentation via Large
Language Models", ECCV 2024 (accuracy and robustness of ReVOS); Liu et al., "GRES: Generalized Referring Expression
Segmentation", CVPR 2023 (N-acc, T-acc).
"""
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


def _tracks(*arrays: np.ndarray) -> list[np.ndarray]:
    arrays = [np.asarray(a) for a in arrays]
    if any(a.ndim != 3 or a.shape != arrays[0].shape for a in arrays):
        raise ValueError(f'expected tracks of one shape (T, H, W), found {[a.shape for a in arrays]}')
    return arrays


def temporal_iou(prediction: np.ndarray, truth: np.ndarray, j: Sequence[float], *,
                 empty_value: float = 1.0) -> tuple[float, float]:
    """tIoU and vIoU of a track.

    With G and P the frames where truth and prediction show something: tIoU = |G and P| / |G or P|, vIoU = sum of J over
    G and P / |G or P|.

    Args:
        prediction, truth: (T, H, W), non-zero inside.
        j: (T,) region similarity of the frames.
        empty_value: both values when neither ever shows something.

    Raises:
        ValueError: shapes differ.
    """
    prediction, truth = _tracks(prediction, truth)
    return temporal_iou_of(prediction.any(axis=(1, 2)), truth.any(axis=(1, 2)), j, empty_value=empty_value)


def temporal_iou_of(shown: Sequence[bool], there: Sequence[bool], j: Sequence[float], *,
                    empty_value: float = 1.0) -> tuple[float, float]:
    """tIoU and vIoU from (T,) flags: whether the prediction and the truth of each frame are not empty."""
    shown, there, j = np.asarray(shown, dtype=bool), np.asarray(there, dtype=bool), np.asarray(j, dtype=np.float64)
    if not shown.shape == there.shape == j.shape or j.ndim != 1:
        raise ValueError(f'expected one J for each of {len(there)} frames, found shape {j.shape}')
    either, both = np.count_nonzero(shown | there), shown & there
    if not either:
        return empty_value, empty_value
    return float(np.count_nonzero(both) / either), float(j[both].sum() / either)


def pixel_accuracy(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(T,) share of pixels where prediction (0 or 1) equals truth (number of instances there, 0, 1, 2, ...)."""
    prediction, truth = _tracks(prediction, truth)
    return ((prediction != 0).astype(np.uint8) == truth).mean(axis=(1, 2))


def robustness(prediction: np.ndarray, truth: np.ndarray, foreground: np.ndarray, *, eps: float = 1e-6,
               floor: float = 0.0) -> np.ndarray:
    """(T,) robustness of ReVOS: 1 - false pixels / pixels of all foreground objects, not below ``floor``.

    Args:
        prediction: (T, H, W), non-zero inside.
        truth: (T, H, W) uint8, number of instances of the expression. As in the published evaluator false pixels are
            counted as (1 - truth) * prediction in uint8, so that a predicted pixel with two instances counts as 255.
        foreground: (T, H, W) number of foreground instances.
        eps: added to the foreground's size.
        floor: smallest value.

    Raises:
        ValueError: shapes differ.
    """
    prediction, truth, foreground = _tracks(prediction, truth, foreground)
    return robustness_of(false_pixels(prediction, truth), foreground.sum(axis=(1, 2), dtype=np.float64), eps=eps,
                         floor=floor)


def false_pixels(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(T,) false pixels of ReVOS, see :func:`robustness`."""
    prediction, truth = _tracks(prediction, truth)
    one = np.ones_like(truth, dtype=np.uint8)
    return ((one - truth.astype(np.uint8)) * (prediction != 0).astype(np.uint8)).sum(axis=(1, 2), dtype=np.float64)


def robustness_of(false: Sequence[float], foreground: Sequence[float], *, eps: float = 1e-6, floor: float = 0.0
                  ) -> np.ndarray:
    """(T,) robustness from false pixels and pixels of all foreground objects."""
    return np.maximum(1 - np.asarray(false, dtype=np.float64) / (np.asarray(foreground, dtype=np.float64) + eps), floor)


class NoTargetScores(NamedTuple):
    """N-acc: share of the expressions without target for which nothing was predicted; T-acc: share of the others for
    which something was. NaN where there are none."""

    n_acc: float
    t_acc: float


def no_target_scores(predicted: Sequence[bool], target: Sequence[bool]) -> NoTargetScores:
    """How well expressions without a target are recognised.

    Args:
        predicted: (E,) whether the prediction of each expression shows anything in any frame.
        target: (E,) whether the expression refers to anything in any frame.

    Raises:
        ValueError: lengths differ.
    """
    predicted, target = np.asarray(predicted, dtype=bool), np.asarray(target, dtype=bool)
    if predicted.shape != target.shape or target.ndim != 1:
        raise ValueError(f'expected a flag for each expression, found {predicted.shape} and {target.shape}')
    shares = [float((predicted[chosen] == right).mean()) if chosen.any() else math.nan
              for chosen, right in ((~target, False), (target, True))]
    return NoTargetScores(*shares)
