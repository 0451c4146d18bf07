"""Merging the masks of several objects into one index map (Ref-DAVIS17 protocol)."""

from collections.abc import Iterable, Sequence

import numpy as np

MAX_OBJECTS = 254  # 0 is background, 255 is void in index PNGs


def merge_scores(scores: Iterable[np.ndarray], *, threshold: float = 0.5, background: float = 0.1) -> np.ndarray:
    """One label a pixel from the score maps of all objects.

    Scores below ``threshold`` count as 0; the highest of background and objects wins, the first of equal ones, in the
    order background, object 1, object 2, ... One object's map is held at a time, so an iterator may make them on the
    way.

    Args:
        scores: one (..., H, W) float array an object, in the order of their labels 1, 2, ...; all of one shape.
        threshold: lowest score that counts.
        background: score of the background everywhere.

    Returns:
        (..., H, W) uint8, 0 = background, k = the k-th object.

    Raises:
        ValueError: no object, more than 254, or maps of different shape.
    """
    labels, best = None, None
    for k, score in enumerate(scores, start=1):
        score = np.asarray(score)
        if labels is None:
            labels, best = np.zeros(score.shape, np.uint8), np.full(score.shape, background, score.dtype)
        if k > MAX_OBJECTS:
            raise ValueError(f'merge_scores: more than {MAX_OBJECTS} objects do not fit into an 8-bit index map')
        if score.shape != labels.shape:
            raise ValueError(f'merge_scores: object {k} has a map of shape {score.shape}, the first one '
                             f'{labels.shape}; all objects of a clip must be scored at the same size')
        score = np.where(score < threshold, score.dtype.type(0), score)
        wins = score > best
        labels[wins] = k
        best = np.where(wins, score, best)
    if labels is None:
        raise ValueError('merge_scores: expected the score map of at least one object')
    return labels


def annotator_sets(expression_ids: Sequence[str | int], *, num_sets: int = 4) -> list[list[int]]:
    """Positions of the expressions of every annotator set, in the order of their objects.

    Ref-DAVIS17 numbers expressions ``num_sets * object + set``; a set names every object of the video once.

    Args:
        expression_ids: ids of all expressions of one video, in any order.
        num_sets: annotator sets.

    Returns:
        ``num_sets`` lists of positions in ``expression_ids``; the k-th position belongs to the k-th object.

    Raises:
        ValueError: ids are not numbers, occur twice or leave gaps.
    """
    try:
        places = {int(name): place for place, name in enumerate(expression_ids)}
    except ValueError as error:
        raise ValueError(f'expression ids {list(expression_ids)}: expected numbers '
                         f'{num_sets} * object + set') from error
    total = len(expression_ids)
    if not total or total % num_sets or sorted(places) != list(range(total)):
        raise ValueError(f'expression ids {list(expression_ids)}: expected every number 0..{num_sets} * objects - 1 '
                         "once; an item must hold all expressions of its video (unit='video')")
    return [[places[num_sets * k + number] for k in range(total // num_sets)] for number in range(num_sets)]
