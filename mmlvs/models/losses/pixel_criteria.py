"""Losses of two-channel logits, background and referent, against one class a pixel (LAVT).

All take logits (N, 2, H, W) and targets (N, H, W) int64; pixels of class ``IGNORED`` do not count. Half precision is
computed in float32: sums over a map need it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmlvs.registry import MODELS

IGNORED = 255


def in_full_precision(logits: Tensor) -> Tensor:
    """Logits in float32, or in float64 if they are."""
    return logits.float() if logits.element_size() < 4 else logits


def class_maps(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities and targets of both classes, (N, 2, H, W) each; both are 0 where nothing counts."""
    logits = in_full_precision(logits)
    counts = (target != IGNORED)[:, None]  # N H W -> N 1 H W
    wanted = torch.stack([target == 0, target == 1], dim=1)  # N 2 H W
    return logits.softmax(dim=1) * counts, wanted.to(logits.dtype)


def class_cross_entropy(logits: Tensor, target: Tensor, *, weights: Sequence[float]) -> Tensor:
    """Cross-entropy, weighted by class, mean by weight."""
    logits = in_full_precision(logits)
    return F.cross_entropy(logits, target, logits.new_tensor(weights), ignore_index=IGNORED)


def multi_class_dice(logits: Tensor, target: Tensor, *, eps: float = 1e-6) -> Tensor:
    """1 - 2 sum(p y) / (sum(p^2 + y) + eps) of each sample and class, mean over both."""
    probs, wanted = class_maps(logits, target)
    overlap, size = (probs * wanted).sum(dim=(2, 3)), (probs**2 + wanted).sum(dim=(2, 3))
    return (1 - 2 * overlap / (size + eps)).mean()


def class_focal(logits: Tensor, target: Tensor, *, alpha: float = 0.25, gamma: float = 2.0, eps: float = 1e-5,
                rewards_wrong: bool = False) -> Tensor:
    """Focal loss of both classes, mean over samples, classes and pixels.

    Args:
        logits, target: see the module.
        alpha, gamma, eps: weight, exponent, and what is added within logarithms.
        rewards_wrong: the reference's formula, whose term of negative pixels has the sign turned round (specification
            of LAVT, quirk 15); for comparison only.
    """
    probs, wanted = class_maps(logits, target)
    counts = (target != IGNORED)[:, None].to(probs.dtype)
    right = probs * wanted + (1 - probs) * (1 - wanted)
    negative = torch.log((1 - right if rewards_wrong else right) + eps)
    terms = -alpha * (1 - right)**gamma * (wanted * torch.log(right + eps) + (1 - wanted) * negative)
    return (terms * counts).sum() / (counts.sum() * logits.shape[1])


def boundary_f(logits: Tensor, target: Tensor, *, width: int = 3, tolerance: int = 5, eps: float = 1e-7) -> Tensor:
    """1 - F of soft boundaries, mean over samples and classes (Bokhovkin and Burnaev, 2019).

    Args:
        logits, target: see the module.
        width: size of the window in which a boundary shows.
        tolerance: size of the window within which boundaries meet.
        eps: keeps empty boundaries finite.
    """
    probs, wanted = class_maps(logits, target)

    def boundary(x: Tensor) -> Tensor:
        return F.max_pool2d(1 - x, width, stride=1, padding=width // 2) - (1 - x)

    def extended(x: Tensor) -> Tensor:
        return F.max_pool2d(x, tolerance, stride=1, padding=tolerance // 2)

    found, true = boundary(probs), boundary(wanted)
    precision = (found * extended(true)).sum(dim=(2, 3)) / (found.sum(dim=(2, 3)) + eps)
    recall = (extended(found) * true).sum(dim=(2, 3)) / (true.sum(dim=(2, 3)) + eps)
    return (1 - 2 * precision * recall / (precision + recall + eps)).mean()


@MODELS.register_module()
class ClassCrossEntropy(nn.Module):
    """:func:`class_cross_entropy` with weights of background and referent.

    Args:
        weights: of the two classes.
    """

    def __init__(self, *, weights: Sequence[float] = (0.9, 1.1)) -> None:
        super().__init__()
        self.weights = tuple(weights)

    def forward(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """``loss_ce``."""
        return dict(loss_ce=class_cross_entropy(logits, target, weights=self.weights))


@MODELS.register_module()
class ClassDice(nn.Module):
    """:func:`multi_class_dice`, alone or with a share of focal or boundary loss.

    Args:
        eps: added to the denominator of Dice.
        focal: weight of :func:`class_focal`; 0 leaves it out.
        boundary: weight of :func:`boundary_f`; 0 leaves it out.
    """

    def __init__(self, *, eps: float = 1e-6, focal: float = 0.0, boundary: float = 0.0) -> None:
        super().__init__()
        self.eps, self.focal, self.boundary = eps, focal, boundary

    def forward(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """``loss_dice``, and ``loss_focal`` or ``loss_boundary`` as asked for."""
        losses = dict(loss_dice=multi_class_dice(logits, target, eps=self.eps))
        if self.focal:
            losses['loss_focal'] = self.focal * class_focal(logits, target)
        if self.boundary:
            losses['loss_boundary'] = self.boundary * boundary_f(logits, target)
        return losses
