"""Losses of soft maps."""

import pytest
import torch
import torch.nn.functional as F

from mmlvs.models.losses import SaliencyCriterion


def test_mean_over_pixels_that_count():
    torch.manual_seed(0)
    logits, target, ignore = torch.randn(2, 4, 5), torch.rand(2, 4, 5), torch.rand(2, 4, 5) > 0.6
    every = F.binary_cross_entropy_with_logits(logits, target, reduction='none')
    assert torch.allclose(SaliencyCriterion()(logits, target)['loss_bce'], every.mean())
    found = SaliencyCriterion(weight_bce=2.0)(logits, target, ignore)['loss_bce']
    assert torch.allclose(found, 2 * every[~ignore].mean())
    assert SaliencyCriterion()(logits, target, torch.ones_like(ignore))['loss_bce'] == 0


def test_dice_is_left_out_unless_asked_for_and_does_not_see_void():
    logits, target = torch.full((1, 2, 2), -30.0), torch.tensor([[[1.0, 0], [0, 0]]])
    assert set(SaliencyCriterion()(logits, target)) == {'loss_bce'}
    criterion = SaliencyCriterion(weight_dice=1.0)
    assert float(criterion(logits, target)['loss_dice']) == pytest.approx(0.5)  # smoothed: 1 - 1 / 2
    assert float(criterion(logits, target, target > 0)['loss_dice']) == pytest.approx(0.0, abs=1e-6)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r'\(1, 2, 2\), \(1, 2, 3\)'):
        SaliencyCriterion()(torch.zeros(1, 2, 2), torch.zeros(1, 2, 3))
