import pytest
import torch

from mmlvs.models.segmentors.referformer_targets import key_frames_of, row_targets
from mmlvs.structures import VideoSegDataSample


def _sample(frames=3, size=(20, 30), key_frames=None, gt_objects=((0, ), (0, 1), ())):
    names = [str(i) for i in range(len(gt_objects))]
    sample = VideoSegDataSample(metainfo=dict(
        video_id='v', frame_ids=[str(i) for i in range(frames)], expression_ids=names, key_frames=key_frames))
    sample.gt_masks = torch.zeros(2, frames, *size, dtype=torch.uint8)
    sample.gt_masks[0, :2, 2:10, 5:15] = 1
    sample.gt_masks[1, 1:, 12:18, 20:28] = 1
    sample.gt_boxes = torch.zeros(2, frames, 4)
    sample.gt_boxes[0, :2] = torch.tensor([5.0, 2, 15, 10])
    sample.gt_boxes[1, 1:] = torch.tensor([20.0, 12, 28, 18])
    sample.gt_valid = torch.zeros(2, frames, dtype=torch.bool)
    sample.gt_valid[0, :2], sample.gt_valid[1, 1:] = True, True
    sample.gt_objects = [list(objects) for objects in gt_objects]
    return sample


def test_one_object_several_and_none():
    sample = _sample()
    one, both, none = row_targets([sample], [(20, 30)], 3)
    assert one.valid.tolist() == [True, True, False] and both.valid.all() and not none.valid.any()
    assert torch.equal(one.masks, sample.gt_masks[0] > 0) and torch.equal(both.masks, (sample.gt_masks > 0).any(0))
    torch.testing.assert_close(one.boxes[0], torch.tensor([10 / 30, 6 / 20, 10 / 30, 8 / 20]))
    assert not one.boxes[2].any() and not none.boxes.any() and not none.masks.any()
    torch.testing.assert_close(both.boxes[1], torch.tensor([16.5 / 30, 10 / 20, 23 / 30, 16 / 20]))  # around both
    torch.testing.assert_close(both.boxes[2], torch.tensor([24 / 30, 15 / 20, 8 / 30, 6 / 20]))  # only one is seen


def test_key_frames_and_shorter_clips():
    key, short = _sample(key_frames=[1], gt_objects=((0, ), )), _sample(frames=2, gt_objects=((0, ), ))
    assert key_frames_of([key, key]).tolist() == [[1], [1]] and key_frames_of([short]) is None
    (row, ) = row_targets([key], [(20, 30)], 1)
    assert torch.equal(row.masks[0], key.gt_masks[0, 1] > 0) and row.valid.tolist() == [True]
    (row, ) = row_targets([short], [(20, 30)], 4)
    assert row.valid.tolist() == [True, True, False, False] and not row.masks[2:].any() and not row.boxes[2:].any()
    with pytest.raises(ValueError, match='cannot share a batch'):
        key_frames_of([key, short])


def test_labels():
    sample = _sample()
    assert [row.label for row in row_targets([sample], [(20, 30)], 3)] == [0, 0, 0]
    with pytest.raises(ValueError, match='has no gt_labels'):
        row_targets([sample], [(20, 30)], 3, with_labels=True)
    sample.gt_labels = torch.tensor([7, 9])
    assert [row.label for row in row_targets([sample], [(20, 30)], 3, with_labels=True)] == [7, 7, 0]


def test_ground_truth_of_another_size():
    with pytest.raises(ValueError, match=r'has \(20, 30\) pixels, its frames have \(10, 15\)'):
        row_targets([_sample()], [(10, 15)], 3)


def test_a_mask_whose_box_has_no_area_stays():
    """A crop may leave one column of pixels: the frame counts as invalid, its mask is a target all the same."""
    sample = _sample(gt_objects=((0, ), ))
    sample.gt_valid[0, 1] = False
    (row, ) = row_targets([sample], [(20, 30)], 3)
    assert row.valid.tolist() == [True, False, False] and row.masks[1].sum() == 80 and not row.boxes[1].any()
