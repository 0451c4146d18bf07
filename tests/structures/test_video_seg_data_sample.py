"""The sample checks what is put into it."""

import pytest
import torch

from mmlvs.structures import VideoSegDataSample


def sample(**extra) -> VideoSegDataSample:
    return VideoSegDataSample(metainfo=dict(
        video_id='v', frame_ids=['0', '1', '2'], texts=['a', 'b', 'c'], expression_ids=['0', '1', '2'],
        ori_shape=(4, 6), img_shape=(2, 3), **extra))


def test_target_is_the_union_of_an_expression_s_objects():
    item = sample()
    item.gt_masks = torch.zeros(2, 3, 4, 6, dtype=torch.uint8)
    item.gt_masks[0, :, 0], item.gt_masks[1, :, 1] = 1, 200
    item.gt_objects = [[0], [0, 1], []]
    assert item.target(0).sum() == 18 and item.target(1).sum() == 36 and item.target(2).sum() == 0
    assert item.target(2).shape == (3, 4, 6) and item.target(0).dtype == torch.bool
    with pytest.raises(IndexError, match='it has 3'):
        item.target(3)


def test_a_sample_without_truth_says_so():
    with pytest.raises(AttributeError, match='carries no gt_masks'):
        sample().target(0)


def test_key_frames_are_the_scored_ones():
    assert sample().scored_frames == [0, 1, 2] and not sample().is_key_frame_item
    assert sample(key_frames=[1]).scored_frames == [1] and sample(key_frames=[1]).is_key_frame_item


@pytest.mark.parametrize(('shape', 'dtype', 'space'), [
    ((3, 3, 4, 5), torch.bool, 'original'), ((3, 2, 4, 6), torch.bool, 'original'),
    ((3, 3, 4, 6), torch.float, 'original'),
    ((3, 3, 4, 6), torch.bool, 'network'), ((3, 3, 4, 6), torch.bool, 'elsewhere')])
def test_a_prediction_that_does_not_fit_is_refused(shape, dtype, space):
    with pytest.raises(ValueError, match='expected'):
        sample().set_prediction(torch.zeros(shape).to(dtype), space=space)


def test_a_prediction_that_fits_is_kept():
    item = sample(key_frames=[2])
    item.set_prediction(torch.ones(3, 1, 4, 6, dtype=torch.bool), scores=torch.ones(3, 1), boxes=torch.ones(3, 1, 4))
    assert item.pred_frames == [2] and item.mask_space == 'original'
    with pytest.raises(ValueError, match='scores'):
        item.set_prediction(item.pred_masks, scores=torch.ones(3, 2))
