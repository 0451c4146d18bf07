"""J and F on crops against the plain full-frame form, statistics, and the DAVIS evaluation of sequences."""
import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlvs.evaluation.functional import davis


def plain_dilate(points, radius):
    """Every pixel within the disk of a True pixel, one True pixel at a time."""
    y, x = np.mgrid[:points.shape[0], :points.shape[1]]
    out = np.zeros(points.shape, dtype=bool)
    for py, px in np.argwhere(points):
        out |= (y - py) ** 2 + (x - px) ** 2 <= radius * radius
    return out


def plain_boundary(mask):
    """Pixel by pixel, as the definition reads."""
    height, width = mask.shape
    out = np.zeros(mask.shape, dtype=bool)
    for y in range(height):
        for x in range(width):
            neighbours = [(y, x + 1), (y + 1, x), (y + 1, x + 1)]
            out[y, x] = any(mask[y, x] != mask[v, u] for v, u in neighbours if v < height and u < width)
    return out


def plain_scores(pred, truth, void, tolerance):
    """J and F on whole frames."""
    valid = np.ones(pred.shape, dtype=bool) if void is None else ~void
    pred, truth = pred & valid, truth & valid
    union = (pred | truth).sum()
    j = (pred & truth).sum() / union if union else 1.0
    radius = tolerance if tolerance >= 1 else math.ceil(tolerance * math.sqrt(pred.shape[0] ** 2 + pred.shape[1] ** 2))
    b_p, b_g = plain_boundary(pred), plain_boundary(truth)
    n_p, n_g = b_p.sum(), b_g.sum()
    if n_p == 0 and n_g == 0:
        return j, 1.0
    precision = (b_p & plain_dilate(b_g, radius)).sum() / n_p if n_p else 1.0
    recall = (b_g & plain_dilate(b_p, radius)).sum() / n_g if n_g else 1.0
    if n_p == 0:
        recall = 0.0
    if n_g == 0:
        precision = 0.0
    return j, 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@st.composite
def frames(draw):
    """Masks with blobs at any place, empty and full ones among them, of odd sizes, with and without void."""
    height, width = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def mask():
        kind = draw(st.sampled_from(['empty', 'full', 'noise', 'sparse', 'box', 'box']))
        if kind in ('noise', 'sparse'):
            return rng.random((height, width)) < (0.5 if kind == 'noise' else 0.03)
        out = np.full((height, width), kind == 'full')
        if kind == 'box':
            (y0, y1), (x0, x1) = sorted(rng.integers(0, height + 1, 2)), sorted(rng.integers(0, width + 1, 2))
            out[y0:y1, x0:x1] = True
        return out

    void = rng.random((height, width)) < 0.1 if draw(st.booleans()) else None
    return mask(), mask(), void, draw(st.sampled_from([0.008, 0.05, 0.2, 1, 1.5, 3, 40]))


@settings(max_examples=200, deadline=None)
@given(frames())
def test_crops_give_the_scores_of_whole_frames(frame):
    pred, truth, void, tolerance = frame
    found = davis.frame_scores(pred, truth, void=void, tolerance=tolerance)
    assert found == pytest.approx(plain_scores(pred, truth, void, tolerance), abs=1e-9)
    assert davis.region_similarity(pred, truth, void=void) == pytest.approx(found[0], abs=1e-12)
    assert davis.boundary_measure(pred, truth, void=void, tolerance=tolerance) == found[1]


@settings(max_examples=60, deadline=None)
@given(frames())
def test_boundary_map_is_the_definition(frame):
    np.testing.assert_array_equal(davis.boundary_map(frame[0]), plain_boundary(frame[0]))


@settings(max_examples=40, deadline=None)
@given(frames(), frames())
def test_symmetric_and_pairs_equal_single_scores(one, two):
    first = np.stack([one[0], one[1]])
    second = np.stack([one[1], one[0] ^ one[1], np.zeros_like(one[0])])
    j, f = davis.pair_scores(first, second, void=one[2], tolerance=two[3])
    for p in range(2):
        for o in range(3):
            expected = davis.frame_scores(first[p], second[o], void=one[2], tolerance=two[3])
            assert (j[p, o], f[p, o]) == expected
            assert davis.frame_scores(second[o], first[p], void=one[2], tolerance=two[3]) == pytest.approx(expected)


def test_large_radius_uses_exact_distances():
    pred, truth = np.zeros((4, 3000), dtype=bool), np.zeros((4, 3000), dtype=bool)
    pred[1, 10], truth[1, 2011] = True, True
    # pixels (0..1, 9..10) and (0..1, 2010..2011): 2000, 2001 or 2002 columns apart; a radius of 1999.9 reaches none
    assert davis.boundary_measure(pred, truth, tolerance=1999.9) == 0
    assert davis.boundary_measure(pred, truth, tolerance=2002.1) == 1


@pytest.mark.parametrize(('shape', 'radius'), [((480, 854), 8), ((480, 910), 9), ((720, 1280), 12), ((1080, 1920), 18),
                                               ((240, 320), 4), ((3, 4), 1)])
def test_radius_follows_the_diagonal(shape, radius):
    assert davis.boundary_radius(shape) == radius
    assert davis.boundary_radius(shape, 3) == 3
    with pytest.raises(ValueError, match='share of the diagonal'):
        davis.boundary_radius(shape, -1)


def test_full_prediction_of_nothing_has_perfect_boundary():
    full, empty = np.ones((5, 7), dtype=bool), np.zeros((5, 7), dtype=bool)
    assert davis.frame_scores(full, empty) == (0.0, 1.0)
    assert davis.frame_scores(empty, empty) == (1.0, 1.0)


def test_sizes_must_agree():
    with pytest.raises(ValueError, match='original size'):
        davis.frame_scores(np.zeros((5, 7)), np.zeros((5, 8)))
    with pytest.raises(ValueError, match='4 frames, the truth 5'):
        davis.track_scores(np.zeros((4, 5, 5)), np.zeros((5, 5, 5)))
    with pytest.raises(ValueError, match='number, H, W'):
        davis.pair_scores(np.zeros((5, 7)), np.zeros((5, 7)))


def test_statistics_of_a_falling_series():
    falling = np.linspace(1, 0, 9)
    found = davis.series_statistics(falling)
    assert found.mean == pytest.approx(0.5)
    assert found.recall == 4 / 9  # exactly 0.5 is no hit
    assert davis.series_recall(falling, closed=True) == 5 / 9
    assert found.decay == pytest.approx(falling[:3].mean() - falling[6:].mean())
    inner = davis.series_statistics(falling, skip={'recall': (1, 1)})
    assert inner.recall == 3 / 7 and inner.mean == found.mean
    with pytest.raises(ValueError, match='skip names'):
        davis.series_statistics(falling, skip={'Mean': (1, 1)})


def test_nan_leaves_means_and_misses_recall():
    found = davis.series_statistics([np.nan, 1, 1, 1, 0.25])
    assert found.mean == pytest.approx(0.8125) and found.recall == 0.6
    assert all(math.isnan(v) for v in davis.series_statistics([]))
    assert math.isnan(davis.series_statistics([1, 1], skip={'mean': (1, 1)}).mean)


@pytest.mark.parametrize('length', [255, 256, 257, 300, 600])
def test_decay_of_long_series_is_right_unless_the_toolkit_is_copied(length):
    falling = np.linspace(1, 0, length)
    assert davis.series_decay(falling) == pytest.approx(0.75, abs=0.01)
    exact = davis.series_decay(falling, toolkit_exact=True)
    assert exact == pytest.approx(0.75, abs=0.01) if length < 256 else exact != pytest.approx(0.75, abs=0.01)


def boxes(*rows, shape=(3, 12, 20)):
    maps = np.zeros(shape, dtype=np.uint8)
    for index, x in rows:
        maps[:, 2:8, x:x + 4] = index
    return maps


def test_unsupervised_task_matches_exchanged_objects():
    truth, swapped = boxes((1, 2), (2, 10)), boxes((2, 2), (1, 10))
    found = davis.evaluate_sequence(swapped, truth)
    assert found.pairs == [(1, 2), (2, 1)] and found.j.min() == 1 and found.f.min() == 1
    fixed = davis.evaluate_sequence(swapped, truth, task='semi-supervised')
    assert fixed.pairs == [(1, 1), (2, 2)] and fixed.j.max() == 0 and fixed.j.shape == (2, 1)
    table = davis.dataset_scores([found, davis.evaluate_sequence(boxes(), truth)])
    assert table['J-Mean'] == 0.5 and table['J&F-Mean'] == 0.5 and table['J-Decay'] == 0


def test_void_counts_in_the_unsupervised_task_only():
    truth = boxes((1, 2))
    truth[:, 2:8, 6:8] = davis.VOID_LABEL
    pred = boxes((1, 2))
    pred[:, 2:8, 6:8] = 1
    assert davis.evaluate_sequence(pred, truth).j.min() == 1
    assert davis.evaluate_sequence(pred, truth, task='semi-supervised').j.max() == pytest.approx(24 / 36)
    void = truth == davis.VOID_LABEL
    cleaned = np.where(void, 0, truth)
    assert davis.evaluate_sequence(pred, cleaned, void=void).j.min() == 1


def test_objects_are_those_of_the_first_frame():
    truth = boxes((1, 2))
    truth[1:, 9:, :] = 2
    assert davis.evaluate_sequence(truth, truth).pairs == [(1, 1)]
    truth[0] = 0
    assert davis.evaluate_sequence(truth, truth).j.shape == (0, 3)


def test_too_many_predicted_objects_are_an_error():
    truth = boxes((1, 2))
    binary = np.where(truth > 0, 255, 0).astype(np.uint8)
    with pytest.raises(ValueError, match='255 objects, at most 20'):
        davis.evaluate_sequence(binary, truth)
    surplus = boxes((1, 2), (3, 12))
    with pytest.raises(ValueError, match='prediction has index 3'):
        davis.evaluate_sequence(surplus, truth, task='semi-supervised')
    assert davis.evaluate_sequence(surplus, truth, task='semi-supervised', surplus='removed').j.min() == 1
    best = davis.evaluate_sequence(boxes((2, 2), (1, 12)), truth)
    assert best.pairs == [(2, 1)]
    with pytest.raises(ValueError, match='task'):
        davis.evaluate_sequence(truth, truth, task='zero-shot')
    with pytest.raises(ValueError, match='surplus'):
        davis.evaluate_sequence(truth, truth, task='semi-supervised', surplus='candidate')
    with pytest.raises(ValueError, match='equal shape'):
        davis.evaluate_sequence(truth[:2], truth)
    with pytest.raises(ValueError, match='no sequence'):
        davis.dataset_scores([])


def test_crops_are_fast():
    truth, pred = np.zeros((480, 854), dtype=bool), np.zeros((480, 854), dtype=bool)
    truth[100:260, 200:420], pred[110:270, 190:400] = True, True
    davis.frame_scores(pred, truth)
    seconds = min(_timed(pred, truth) for _ in range(5))
    assert seconds < 0.05  # about 2 ms; dilating whole frames takes 60 ms and more


def _timed(pred, truth):
    start = time.perf_counter()
    davis.frame_scores(pred, truth)
    return time.perf_counter() - start
