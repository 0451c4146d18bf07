import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlvs.evaluation.writers import annotator_sets, merge_scores


@settings(max_examples=60, deadline=None)
@given(objects=st.integers(1, 6), seed=st.integers(0, 999), threshold=st.sampled_from([0.0, 0.05, 0.5]),
       levels=st.sampled_from([3, 11, 1000]))
def test_equals_stacking_and_arg_max(objects, seed, threshold, levels):
    # few levels: many ties, also with the background's 0.1
    scores = np.random.default_rng(seed).integers(0, levels, (objects, 2, 5, 6)) / np.float64(levels - 1)
    planes = np.where(scores < threshold, 0, scores)
    planes = np.concatenate([np.full((1, 2, 5, 6), 0.1), planes])
    got = merge_scores(iter(scores), threshold=threshold)
    assert got.dtype == np.uint8 and np.array_equal(got, planes.argmax(axis=0))


def test_higher_score_wins_and_the_first_of_equal_ones():
    first, second = np.array([[0.9, 0.6, 0.7, 0.4]]), np.array([[0.6, 0.8, 0.7, 0.49]])
    assert merge_scores([first, second]).tolist() == [[1, 2, 1, 0]]
    assert merge_scores([first, second], threshold=0.45, background=0.48).tolist() == [[1, 2, 1, 2]]


def test_scores_are_not_changed():
    scores = np.array([[0.2, 0.9]], dtype=np.float32)
    merge_scores([scores])
    assert scores.tolist() == [[np.float32(0.2), np.float32(0.9)]]


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match='at least one object'):
        merge_scores([])
    with pytest.raises(ValueError, match='object 2 has a map of shape'):
        merge_scores([np.zeros((2, 3)), np.zeros((3, 2))])
    with pytest.raises(ValueError, match='more than 254'):
        merge_scores(np.zeros((255, 1, 1)))


def test_annotator_sets_follow_the_numbering():
    ids = ['5', '0', '1', '2', '3', '4', '6', '7']
    assert annotator_sets(ids) == [[1, 5], [2, 0], [3, 6], [4, 7]]  # expressions 0 4, 1 5, 2 6, 3 7
    assert annotator_sets([0, 1, 2], num_sets=1) == [[0, 1, 2]]


@pytest.mark.parametrize('ids, message', [
    (['0', '1', '2'], 'once'), (['0', '1', '2', '2'], 'once'), (['4', '5', '6', '7'], 'unit='), ([], 'once'),
    (['a', 'b', 'c', 'd'], 'expected numbers'),
])
def test_incomplete_sets_are_refused(ids, message):
    with pytest.raises(ValueError, match=message):
        annotator_sets(ids)
