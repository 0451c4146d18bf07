"""Loss formulas with names from the papers; elementwise or per clip, so that each caller says over what it averages."""

import torch
import torch.nn.functional as F
from torch import Tensor


def sigmoid_focal_terms(logits: Tensor, *, alpha: float = 0.25, gamma: float = 2.0) -> tuple[Tensor, Tensor]:
    """Sigmoid focal loss of every element, once as if its target were 1 and once as if it were 0.

    Focal loss (Lin et al., ICCV 2017, equation 5). A loss against a mask t is ``t * positive + (1 - t) * negative``;
    having both lets many masks be compared with one target by products alone.

    Args:
        logits: any shape.
        alpha: weight of positive elements; negative ones get ``1 - alpha``.
        gamma: focusing exponent.

    Returns:
        (positive, negative), both of the shape of ``logits``.
    """
    prob = logits.sigmoid()
    positive = -alpha * (1 - prob) ** gamma * F.logsigmoid(logits)
    negative = -(1 - alpha) * prob**gamma * F.logsigmoid(-logits)
    return positive, negative


def sigmoid_focal_loss(logits: Tensor, targets: Tensor, *, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Sigmoid focal loss of every element against targets in 0..1 of the same shape; not reduced.

    Args:
        logits: any shape.
        targets: same shape, 0..1.
        alpha: weight of positive elements; negative ones get ``1 - alpha``.
        gamma: focusing exponent.
    """
    positive, negative = sigmoid_focal_terms(logits, alpha=alpha, gamma=gamma)
    return targets * positive + (1 - targets) * negative


def dice_coefficient(probs: Tensor, targets: Tensor, *, smooth: float = 1.0) -> Tensor:
    """Dice coefficient over the last axis: ``(2 sum(p t) + smooth) / (sum(p) + sum(t) + smooth)``.

    Args:
        probs: (..., n) in 0..1.
        targets: (..., n) in 0..1, broadcastable to ``probs``.
        smooth: added to numerator and denominator; two empty masks have coefficient 1.

    Returns:
        (...), in 0..1. The loss is one minus it (V-Net, Milletari et al., 3DV 2016).
    """
    overlap = (probs * targets).sum(dim=-1)
    return (2 * overlap + smooth) / (probs.sum(dim=-1) + targets.sum(dim=-1) + smooth)


def cxcywh_to_xyxy(boxes: Tensor) -> Tensor:
    """Boxes (..., 4) from centre and size to left, top, right, bottom."""
    centre, half = boxes[..., :2], boxes[..., 2:] * 0.5
    return torch.cat([centre - half, centre + half], dim=-1)


def generalized_iou(boxes: Tensor, targets: Tensor, *, eps: float = 1e-6) -> Tensor:
    """Generalised IoU of boxes pair by pair (Rezatofighi et al., CVPR 2019).

    ``eps`` is added to numerator *and* denominator of both fractions: boxes without area stay finite (two equal ones
    have 0), and a box equal to its target has ``1 - eps / (area + eps)``. Libraries that clamp the denominators instead
    differ visibly on small boxes.

    Args:
        boxes: (..., 4) left, top, right, bottom.
        targets: (..., 4), broadcastable.
        eps: keeps boxes without area finite.

    Returns:
        (...), in -1..1.
    """
    area = (boxes[..., 2:] - boxes[..., :2]).prod(dim=-1)
    target_area = (targets[..., 2:] - targets[..., :2]).prod(dim=-1)
    inner = torch.min(boxes[..., 2:], targets[..., 2:]) - torch.max(boxes[..., :2], targets[..., :2])
    outer = torch.max(boxes[..., 2:], targets[..., 2:]) - torch.min(boxes[..., :2], targets[..., :2])
    intersection = inner.clamp(min=0).prod(dim=-1)
    hull = outer.clamp(min=0).prod(dim=-1)
    union = area + target_area - intersection
    iou = (intersection + eps) / (union + eps)
    return iou - (hull - union + eps) / (hull + eps)
