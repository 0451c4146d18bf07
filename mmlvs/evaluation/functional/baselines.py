"""What a model must beat: answers that use the true objects but not the expression.

Each baseline sees the true masks of all objects that the clip carries and returns one or more equally likely answers,
whose
scores are averaged: so that of a random object is its expectation and no luck. None depends on how a video is cut
    into clips. They mean something only where a clip carries several objects, i.e. when all expressions of a video
    are asked together; with one object they are the truth.

Axes: O objects, A answers, T frames, H W pixels.
"""

from collections.abc import Callable

import numpy as np


def _checked(masks: np.ndarray) -> np.ndarray:
    masks = np.asarray(masks)
    if masks.ndim != 4:
        raise ValueError(f'expected masks of shape (O, T, H, W), found {masks.shape}')
    return masks != 0


def largest_object(masks: np.ndarray) -> np.ndarray:
    """The largest object of each frame, (O, T, H, W) -> bool (1, T, H, W); the first of equals.

    Without objects nothing is chosen.
    """
    masks = _checked(masks)
    if not len(masks):
        return np.zeros((1, *masks.shape[1:]), dtype=bool)
    largest = np.count_nonzero(masks, axis=(2, 3)).argmax(axis=0)  # (T,)
    return masks[None, largest, np.arange(masks.shape[1])]


def random_object(masks: np.ndarray) -> np.ndarray:
    """Any one object, each as likely, (O, T, H, W) -> bool (O, T, H, W); one empty answer without objects."""
    masks = _checked(masks)
    return masks if len(masks) else np.zeros((1, *masks.shape[1:]), dtype=bool)


def all_objects(masks: np.ndarray) -> np.ndarray:
    """All objects together, (O, T, H, W) -> bool (1, T, H, W)."""
    return _checked(masks).any(axis=0, keepdims=True)


BASELINES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    'largest': largest_object,
    'random': random_object,
    'all': all_objects,
}
"""Name -> ``baseline(masks)``, (O, T, H, W) -> answers (A, T, H, W)."""
