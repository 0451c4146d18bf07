import pytest
import torch

from mmlvs.models.losses import BatchTargets
from mmlvs.models.matchers import ClipMatcher
from mmlvs.registry import TASK_UTILS

COSTS = ('cost_class', 'cost_bbox', 'cost_giou', 'cost_mask', 'cost_dice')


def _targets(rows=2, frames=3, grid=(4, 5), labels=0):
    masks = torch.zeros(rows, frames, *grid)
    masks[..., 1:3, 1:3] = 1
    return BatchTargets(masks=masks, boxes=torch.full((rows, frames, 4), 0.5),
                        valid=torch.ones(rows, frames, dtype=torch.bool),
                        labels=torch.full((rows, frames), labels),
                        box_frames=torch.ones(rows, frames, dtype=torch.bool))


def _outputs(targets, queries=4, classes=1):
    """All queries equally wrong."""
    rows, frames, h, w = targets.masks.shape
    return dict(pred_logits=torch.zeros(rows, frames, queries, classes),
                pred_boxes=torch.full((rows, frames, queries, 4), 0.2),
                pred_masks=torch.zeros(rows, frames, queries, h, w))


def test_each_term_alone_finds_the_query_that_is_right_in_it():
    targets = _targets()
    outputs = _outputs(targets, queries=4)
    outputs['pred_logits'][:, :, 1] = 3
    outputs['pred_boxes'][:, :, 2] = 0.5
    outputs['pred_masks'][:, :, 3] = targets.masks * 6 - 3
    expected = dict(cost_class=1, cost_bbox=2, cost_giou=2, cost_mask=3, cost_dice=3)
    for name, query in expected.items():
        weights = dict.fromkeys(COSTS, 0.0)
        weights[name] = 1.0
        assert ClipMatcher(**weights)(outputs, targets).tolist() == [query, query], name


def test_weights_decide():
    targets = _targets(rows=1)
    outputs = _outputs(targets)
    outputs['pred_logits'][:, :, 1] = 8
    outputs['pred_masks'][:, :, 3] = targets.masks * 6 - 3
    assert ClipMatcher(cost_class=100.0)(outputs, targets).item() == 1
    assert ClipMatcher(cost_class=0.0)(outputs, targets).item() == 3


def test_class_term_reads_the_labels_channel_in_visible_frames_only():
    targets = _targets(rows=1, labels=2)
    targets.valid[0, 0] = False
    outputs = _outputs(targets, queries=3, classes=4)
    outputs['pred_logits'][0, 1:, 1, 2] = 4  # right channel, visible frames
    outputs['pred_logits'][0, :, 2, 0] = 9  # wrong channel
    outputs['pred_logits'][0, 0, 0, 2] = 9  # invisible frame
    cost = ClipMatcher().costs(outputs, targets)['cost_class']
    assert cost.argmin().item() == 1
    assert cost[0, 0] == cost[0, 2]


def test_row_without_visible_frame_has_finite_costs():
    targets = _targets(rows=1)
    targets.valid[:] = False
    costs = ClipMatcher().costs(_outputs(targets), targets)
    assert all(torch.isfinite(v).all() for v in costs.values()) and (costs['cost_class'] == 0).all()


def test_no_gradient_and_no_rows():
    targets = _targets()
    outputs = {k: v.requires_grad_() for k, v in _outputs(targets).items()}
    assert not ClipMatcher()(outputs, targets).requires_grad
    empty = _targets(rows=0)
    assert ClipMatcher()(_outputs(empty), empty).shape == (0,)


def test_registered_and_weights_checked():
    assert 'cost_dice=7' in repr(TASK_UTILS.build(dict(type='ClipMatcher', cost_dice=7)))
    with pytest.raises(ValueError, match='not all zero'):
        ClipMatcher(**dict.fromkeys(COSTS, 0.0))
    with pytest.raises(ValueError, match='>= 0'):
        ClipMatcher(cost_mask=-1.0)
