from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlvs.models.losses import RowTarget, batch_targets, sample_masks


@settings(max_examples=60, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), stride=st.integers(1, 8), data=st.data())
def test_sampling_equals_padding_then_slicing(height, width, stride, data):
    offset = data.draw(st.integers(0, stride - 1))
    masks = torch.rand(2, height, width) > 0.5
    rows, cols = -(-height // stride), -(-width // stride)
    padded = F.pad(masks, (0, cols * stride - width, 0, rows * stride - height))
    got = sample_masks(masks, (rows, cols), stride=stride, offset=offset)
    assert torch.equal(got, padded[:, offset::stride, offset::stride])


def _row(frames=2, size=(30, 20), label=0):
    return RowTarget(masks=torch.ones(frames, *size, dtype=torch.bool), boxes=torch.full((frames, 4), 0.5),
                     valid=torch.tensor([1] + [0] * (frames - 1)), label=label)


def _batch(rows, pred=None, shape=(32, 32), **kwargs):
    pred = torch.zeros(len(rows), 2, 5, 8, 8, dtype=torch.float64) if pred is None else pred
    return batch_targets(rows, pred, shape, **{**dict(num_classes=3, stride=4, offset=2), **kwargs})


def test_batch_has_type_and_grid_of_the_predictions():
    batch = _batch([_row(), _row(size=(32, 32), label=2)])
    assert len(batch) == 2
    assert batch.masks.dtype == batch.boxes.dtype == torch.float64
    assert batch.masks.shape == (2, 2, 8, 8)
    assert batch.masks[0].sum() == 2 * 7 * 5 and batch.masks[1].sum() == 2 * 64  # offset 2: 2, 6, ... < 30 and < 20
    assert batch.labels.tolist() == [[0, 0], [2, 2]]
    assert batch.valid.tolist() == [[True, False]] * 2 and bool(batch.box_frames.all())


def test_a_label_for_every_frame():
    assert _batch([_row(label=torch.tensor([1, 2]))]).labels.tolist() == [[1, 2]]


def test_absent_boxes_can_be_ignored():
    batch = _batch([_row()], absent_boxes='ignore')
    assert torch.equal(batch.box_frames, batch.valid)
    values = torch.tensor([[[3.0], [5.0]]], dtype=torch.float64)  # E T q
    assert batch.box_mean(values).item() == 3.0
    assert _batch([_row()]).box_mean(values).item() == 4.0
    nowhere = replace(_row(), valid=torch.zeros(2))
    assert _batch([nowhere], absent_boxes='ignore').box_mean(values).item() == 0.0


def test_no_rows():
    batch = _batch([], pred=torch.zeros(0, 2, 5, 8, 8))
    assert len(batch) == 0 and batch.masks.shape == (0, 2, 8, 8)


@pytest.mark.parametrize('rows, kwargs, message', [
    ([_row(), _row()], dict(pred=torch.zeros(1, 2, 5, 8, 8)), '2 targets for 1 predicted rows'),
    ([_row()], dict(shape=(64, 32)), 'has \\(16, 8\\)'),
    ([_row(frames=3)], {}, 'with T = 2'),
    ([_row(size=(33, 20))], {}, 'not the original one'),
    ([_row(label=3)], {}, 'outside 0..2'),
    ([_row(label=torch.tensor([0, 0, 0]))], {}, 'expected a number'),
    ([replace(_row(), boxes=torch.zeros(2, 3))], {}, 'boxes \\(2, 3\\)'),
    ([_row()], dict(absent_boxes='drop'), "'drop', expected one of"),
])
def test_what_does_not_fit_is_said(rows, kwargs, message):
    with pytest.raises(ValueError, match=message):
        _batch(rows, **kwargs)
