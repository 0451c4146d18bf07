import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlvs.models.losses import (
    cxcywh_to_xyxy,
    dice_coefficient,
    generalized_iou,
    sigmoid_focal_loss,
    sigmoid_focal_terms,
)


def test_focal_with_gamma_zero_is_weighted_cross_entropy():
    logits, targets = torch.randn(4, 7, dtype=torch.float64), torch.rand(4, 7, dtype=torch.float64).round()
    weight = torch.where(targets > 0, 0.3, 0.7)
    expected = weight * F.binary_cross_entropy_with_logits(logits, targets, reduction='none')
    torch.testing.assert_close(sigmoid_focal_loss(logits, targets, alpha=0.3, gamma=0.0), expected)


def test_focal_value_by_hand():
    # p = 1/2: positive 0.25 * 0.25 * ln 2, negative 0.75 * 0.25 * ln 2
    positive, negative = sigmoid_focal_terms(torch.zeros(1, dtype=torch.float64))
    log2 = torch.log(torch.tensor(2.0, dtype=torch.float64))
    torch.testing.assert_close(positive[0], 0.0625 * log2)
    torch.testing.assert_close(negative[0], 0.1875 * log2)


@pytest.mark.parametrize('logit', [-1e4, -100.0, 100.0, 1e4])
def test_focal_stays_finite_with_its_gradient(logit):
    x = torch.tensor([logit, logit], requires_grad=True)
    loss = sigmoid_focal_loss(x, torch.tensor([0.0, 1.0])).sum()
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(x.grad).all()
    assert loss > 1  # one of the two is confidently wrong


def test_focal_gradient():
    x = torch.randn(6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: sigmoid_focal_loss(v, (torch.arange(6) % 2).double()), x)


def test_dice_of_equal_empty_and_disjoint_masks():
    masks = torch.tensor([[1.0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1]])
    target = torch.tensor([[1.0, 1, 0, 0], [0, 0, 0, 0], [1, 1, 0, 0]])
    torch.testing.assert_close(dice_coefficient(masks, target), torch.tensor([1.0, 1.0, 1 / 5]))


def test_boxes_by_hand():
    boxes = torch.tensor([[0.5, 0.4, 0.2, 0.6]])
    torch.testing.assert_close(cxcywh_to_xyxy(boxes), torch.tensor([[0.4, 0.1, 0.6, 0.7]]))


def test_giou_by_hand():
    a = torch.tensor([0.0, 0.0, 2.0, 2.0], dtype=torch.float64)
    b = torch.tensor([1.0, 1.0, 3.0, 3.0], dtype=torch.float64)
    c = torch.tensor([3.0, 0.0, 4.0, 2.0], dtype=torch.float64)
    assert generalized_iou(a, b).item() == pytest.approx(1 / 7 - 2 / 9, abs=1e-6)
    assert generalized_iou(a, c).item() == pytest.approx(0 - 2 / 8, abs=1e-6)
    zero = torch.zeros(4, dtype=torch.float64)
    assert generalized_iou(zero, zero).item() == pytest.approx(0.0, abs=1e-12)  # 1 - 1: eps in both fractions


unit = st.floats(0.0, 1.0, width=32)


@settings(max_examples=50, deadline=None)
@given(st.lists(unit, min_size=8, max_size=8))
def test_giou_is_symmetric_and_bounded(numbers):
    boxes = cxcywh_to_xyxy(torch.tensor(numbers, dtype=torch.float64).view(2, 4))
    one, other = generalized_iou(boxes[0], boxes[1]), generalized_iou(boxes[1], boxes[0])
    torch.testing.assert_close(one, other)
    assert -1 - 1e-9 <= one.item() <= 1 + 1e-9
