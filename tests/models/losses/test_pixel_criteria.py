"""Losses of two-channel logits."""

import pytest
import torch
import torch.nn.functional as F

from mmlvs.models.losses.pixel_criteria import IGNORED, boundary_f, class_cross_entropy, class_focal, multi_class_dice
from mmlvs.registry import MODELS

FORMULAS = dict(ce=lambda z, y: class_cross_entropy(z, y, weights=(0.9, 1.1)), dice=multi_class_dice,
                focal=class_focal, boundary=boundary_f)


def example():
    generator = torch.Generator().manual_seed(0)
    target = torch.zeros(2, 12, 16, dtype=torch.int64)
    target[0, 3:9, 4:11] = 1
    return torch.randn(2, 2, 12, 16, generator=generator, dtype=torch.float64), target


@pytest.mark.parametrize('name', FORMULAS)
def test_right_masks_cost_less_and_wrong_ones_more(name):
    logits, target = example()
    right = torch.stack([1 - target, target], dim=1).double() * 20 - 10
    values = [float(FORMULAS[name](z, target)) for z in (right, logits, -right)]
    assert values[0] < values[1]
    if name != 'boundary':  # the boundary of an inverted mask is the same
        assert values[1] < values[2]
        empty = 0.25 if name == 'dice' else 0.0  # the empty class of one sample costs 1 of 4 in any case
        assert abs(values[0] - empty) < 1e-2


def test_the_references_focal_rewards_wrong_values():
    logits, target = example()
    wrong = torch.stack([target, 1 - target], dim=1).double() * 20 - 10
    assert class_focal(wrong, target, rewards_wrong=True) < class_focal(wrong, target)


@pytest.mark.parametrize('name', ['ce', 'dice', 'focal'])
def test_ignored_pixels_do_not_count(name):
    logits, target = example()
    target[:, :, 12:] = IGNORED
    torch.testing.assert_close(FORMULAS[name](logits, target), FORMULAS[name](logits[..., :12], target[..., :12]))


@pytest.mark.parametrize('name', FORMULAS)
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_full(name, dtype):
    """Sums over the pixels of a map lose their small terms in half precision, or overflow."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn((2, 2, 96, 96), generator=generator).to(dtype)
    target = torch.randint(0, 2, (2, 96, 96), generator=generator)
    loss = FORMULAS[name](logits, target)
    assert loss.dtype == torch.float32 and torch.equal(loss, FORMULAS[name](logits.float(), target))


def test_weights_of_classes():
    logits, target = example()
    terms = F.cross_entropy(logits, target, reduction='none')
    weights = torch.where(target == 1, 1.1, 0.9).double()
    torch.testing.assert_close(FORMULAS['ce'](logits, target), (terms * weights).sum() / weights.sum())


def test_criteria():
    logits, target = example()
    assert set(MODELS.build(dict(type='ClassCrossEntropy'))(logits, target)) == {'loss_ce'}
    terms = MODELS.build(dict(type='ClassDice', focal=3.0, boundary=0.05))(logits, target)
    torch.testing.assert_close(terms['loss_focal'], 3 * class_focal(logits, target))
    torch.testing.assert_close(terms['loss_boundary'], 0.05 * boundary_f(logits, target))
    assert set(MODELS.build(dict(type='ClassDice'))(logits, target)) == {'loss_dice'}
