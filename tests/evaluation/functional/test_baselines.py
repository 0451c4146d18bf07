"""Baselines read the true objects and nothing else."""

import numpy as np
import pytest

from mmlvs.evaluation.functional.baselines import BASELINES, all_objects, largest_object, random_object


def objects():
    masks = np.zeros((3, 2, 4, 6), dtype=np.uint8)  # O T H W
    masks[0, :, 0, 0] = 1
    masks[1, 0, 2:, :] = 1
    masks[2, 1, :2, 1:] = 1
    return masks


def test_largest_is_chosen_in_each_frame():
    masks = objects()
    np.testing.assert_array_equal(largest_object(masks), np.stack([masks[1, 0], masks[2, 1]]).astype(bool)[None])


def test_all_is_the_union():
    assert all_objects(objects()).sum(axis=(2, 3)).tolist() == [[13, 11]]


def test_random_is_every_object_once():
    np.testing.assert_array_equal(random_object(objects() * 7), objects().astype(bool))


@pytest.mark.parametrize('name', BASELINES)
def test_clips_do_not_matter(name):
    whole = BASELINES[name](objects())
    parts = [BASELINES[name](objects()[:, t:t + 1]) for t in range(2)]
    np.testing.assert_array_equal(whole, np.concatenate(parts, axis=1))


def test_nothing_without_objects():
    empty = np.zeros((0, 2, 4, 6))
    for baseline in BASELINES.values():
        found = baseline(empty)
        assert found.shape == (1, 2, 4, 6) and not found.any()


def test_masks_of_another_shape_are_refused():
    with pytest.raises(ValueError, match='O, T, H, W'):
        largest_object(np.zeros((2, 4, 6)))
