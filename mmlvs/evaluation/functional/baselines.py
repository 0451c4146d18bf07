"""What a model must beat: answers that use the true objects but not the expression.

Each baseline sees the true masks of all objects that the clip carries and returns one mask per frame. None depends on
how a video is cut into clips. They mean something only where a clip carries several objects, i.e. when all expressions
of a video are asked together; with one object they are the truth.

Axes: O objects, T frames, H W pixels.
"""
import hashlib
from collections.abc import Callable, Sequence

import numpy as np


def _checked(masks: np.ndarray) -> np.ndarray:
    masks = np.asarray(masks)
    if masks.ndim != 4:
        raise ValueError(f'expected masks of shape (O, T, H, W), found {masks.shape}')
    return masks != 0


def largest_object(masks: np.ndarray) -> np.ndarray:
    """The largest object of each frame, (O, T, H, W) -> bool (T, H, W); the first of equals.

    Without objects nothing is chosen.
    """
    masks = _checked(masks)
    if not len(masks):
        return np.zeros(masks.shape[1:], dtype=bool)
    largest = np.count_nonzero(masks, axis=(2, 3)).argmax(axis=0)  # (T,)
    return masks[largest, np.arange(masks.shape[1])]


def random_object(masks: np.ndarray, object_ids: Sequence[str], key: Sequence[str], seed: int = 0) -> np.ndarray:
    """One object drawn for a whole track, (O, T, H, W) -> bool (T, H, W); nothing without objects.

    Args:
        masks: (O, T, H, W), non-zero inside.
        object_ids: O names; the draw is among the sorted names, so that it does not depend on their order.
        key: what the draw belongs to, e.g. (video, expression): the same key and seed give the same object in every
            clip.
        seed: seed of the draw.
    """
    masks = _checked(masks)
    if len(object_ids) != len(masks):
        raise ValueError(f'{len(masks)} masks with {len(object_ids)} object ids')
    if not len(masks):
        return np.zeros(masks.shape[1:], dtype=bool)
    digest = hashlib.sha256('\0'.join([str(seed), *map(str, key)]).encode()).digest()
    draw = np.random.default_rng(int.from_bytes(digest[:8], 'little')).integers(len(masks))
    return masks[sorted(range(len(masks)), key=lambda k: str(object_ids[k]))[draw]]


def all_objects(masks: np.ndarray) -> np.ndarray:
    """All objects together, (O, T, H, W) -> bool (T, H, W)."""
    return _checked(masks).any(axis=0)


BASELINES: dict[str, Callable[..., np.ndarray]] = {
    'largest': lambda masks, object_ids, key, seed: largest_object(masks),
    'random': random_object,
    'all': lambda masks, object_ids, key, seed: all_objects(masks),
}
"""Name -> ``baseline(masks, object_ids, key, seed)``."""
