"""Temporal IoU, pixel accuracy and robustness of tracks."""
import numpy as np
import pytest

from mmlvs.evaluation.functional import tracks


def track(*areas):
    """One frame for each number, with as many pixels set."""
    out = np.zeros((len(areas), 4, 5), dtype=np.uint8)
    for frame, area in zip(out, areas, strict=True):
        frame.reshape(-1)[:area] = 1
    return out


def test_temporal_iou():
    prediction, truth = track(2, 0, 4, 0), track(4, 3, 0, 0)
    assert tracks.temporal_iou(prediction, truth, [0.5, 0, 0, 1]) == (1 / 3, 0.5 / 3)
    assert tracks.temporal_iou(truth, truth, [1, 1, 1, 1]) == (1, 1)
    assert tracks.temporal_iou(track(0, 0), track(0, 0), [1, 1]) == (1, 1)
    assert tracks.temporal_iou(track(0, 0), track(0, 0), [1, 1], empty_value=0) == (0, 0)


def test_accuracy_wants_the_number_of_instances():
    truth = track(10)
    assert tracks.pixel_accuracy(truth, truth).tolist() == [1]
    truth[0, 0, 0] = 2  # two instances overlap: no prediction of 0 or 1 is right there
    assert tracks.pixel_accuracy(truth > 0, truth).tolist() == [19 / 20]


def test_robustness_counts_overlaps_as_the_published_evaluator():
    truth = track(10)
    assert tracks.robustness(truth, truth, truth).tolist() == [1]
    assert tracks.robustness(track(12), truth, truth)[0] == pytest.approx(0.8)
    assert tracks.robustness(track(20), track(0), track(5)).tolist() == [0]
    truth[0, 0, 0] = 2  # 1 - 2 is 255 in uint8
    assert tracks.robustness(track(10), truth, 40 * track(20))[0] == pytest.approx(1 - 255 / 800)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match='one shape'):
        tracks.pixel_accuracy(track(1), track(1, 1))
    with pytest.raises(ValueError, match='one J for each of 2 frames'):
        tracks.temporal_iou(track(1, 1), track(1, 1), [1])


def test_no_target_scores():
    found = tracks.no_target_scores([False, True, True, False], [False, False, True, True])
    assert found == (0.5, 0.5)
    assert np.isnan(tracks.no_target_scores([True], [True]).n_acc)
    with pytest.raises(ValueError, match='a flag for each expression'):
        tracks.no_target_scores([True], [True, False])
