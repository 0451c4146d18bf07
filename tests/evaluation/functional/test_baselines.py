"""Baselines read the true objects and nothing else."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmlvs.evaluation.functional.baselines import BASELINES, all_objects, largest_object, random_object


def objects():
    masks = np.zeros((3, 2, 4, 6), dtype=np.uint8)  # O T H W
    masks[0, :, 0, 0] = 1
    masks[1, 0, 2:, :] = 1
    masks[2, 1, :2, 1:] = 1
    return masks


def test_largest_is_chosen_in_each_frame():
    masks = objects()
    np.testing.assert_array_equal(largest_object(masks), np.stack([masks[1, 0], masks[2, 1]]).astype(bool))


def test_all_is_the_union():
    assert all_objects(objects()).sum(axis=(1, 2)).tolist() == [13, 11]


@given(st.integers(0, 1000), st.text(max_size=5))
def test_random_is_one_object_that_neither_clips_nor_order_change(seed, video):
    masks = objects()
    found = random_object(masks, ['1', '10', '2'], (video, '0'), seed)
    assert any(np.array_equal(found, mask.astype(bool)) for mask in masks)
    second_clip = random_object(masks[:, 1:], ['1', '10', '2'], (video, '0'), seed)
    np.testing.assert_array_equal(found[1:], second_clip)
    np.testing.assert_array_equal(found, random_object(masks[::-1], ['2', '10', '1'], (video, '0'), seed))


def test_random_draws_every_object():
    shown = {random_object(objects(), 'abc', ('v', str(k))).tobytes() for k in range(60)}
    assert len(shown) == 3


def test_nothing_without_objects():
    empty = np.zeros((0, 2, 4, 6))
    for baseline in BASELINES.values():
        found = baseline(empty, [], ('v', '0'), 0)
        assert found.shape == (2, 4, 6) and not found.any()


def test_errors():
    with pytest.raises(ValueError, match='O, T, H, W'):
        largest_object(np.zeros((2, 4, 6)))
    with pytest.raises(ValueError, match='3 masks with 2 object ids'):
        random_object(objects(), ['1', '2'], ())
