"""Matching of queries to the one target of a clip (ReferFormer, Wu et al., CVPR 2022, section 3.4)."""

import torch
from torch import Tensor, nn

from mmlvs.models.losses.functional import cxcywh_to_xyxy, generalized_iou, sigmoid_focal_terms
from mmlvs.models.losses.targets import BatchTargets
from mmlvs.registry import TASK_UTILS


@TASK_UTILS.register_module()
class ClipMatcher(nn.Module):
    """Chooses the query whose whole track fits the target of its row best.

    A row has one target, so the match is an arg-min over queries. The cost of query k is the weighted sum of

    * ``class``: focal difference of the score at the target's label, mean over frames where the target is visible;
    * ``bbox``: L1 distance of cx, cy, w, h (summed), mean over frames;
    * ``giou``: minus generalised IoU, mean over frames;
    * ``mask``: focal loss of the mask logits, mean over all cells of the clip;
    * ``dice``: minus the dice coefficient over the whole clip.

    Args:
        cost_class, cost_bbox, cost_giou, cost_mask, cost_dice: weights of the terms.
        focal_alpha, focal_gamma: of the class and mask terms.

    Raises:
        ValueError: all weights are zero, or one is negative.
    """

    def __init__(self, *, cost_class: float = 2.0, cost_bbox: float = 5.0, cost_giou: float = 2.0,
                 cost_mask: float = 2.0, cost_dice: float = 5.0, focal_alpha: float = 0.25,
                 focal_gamma: float = 2.0) -> None:
        super().__init__()
        self.weights = dict(cost_class=cost_class, cost_bbox=cost_bbox, cost_giou=cost_giou, cost_mask=cost_mask,
                            cost_dice=cost_dice)
        if min(self.weights.values()) < 0 or max(self.weights.values()) == 0:
            raise ValueError(f'ClipMatcher: expected weights >= 0, not all zero; found {self.weights}')
        self.focal = dict(alpha=focal_alpha, gamma=focal_gamma)

    def extra_repr(self) -> str:
        return ', '.join(f'{k}={v}' for k, v in self.weights.items())

    @torch.no_grad()
    def forward(self, outputs: dict[str, Tensor], targets: BatchTargets) -> Tensor:
        """Matched query of every row.

        Args:
            outputs: of one decoder layer: ``pred_logits`` (E, T, q, K), ``pred_boxes`` (E, T, q, 4) cx, cy, w, h,
                ``pred_masks`` (E, T, q, h, w) logits.
            targets: of the same E rows, on the same grid.

        Returns:
            (E,) int64.
        """
        costs = self.costs(outputs, targets)
        return sum(weight * costs[name] for name, weight in self.weights.items()).argmin(dim=1)

    @torch.no_grad()
    def costs(self, outputs: dict[str, Tensor], targets: BatchTargets) -> dict[str, Tensor]:
        """Unweighted cost terms, each (E, q); arguments as for a call."""
        class_cost = self._class_cost(outputs['pred_logits'], targets)
        boxes, goal = outputs['pred_boxes'], targets.boxes[:, :, None]  # E T 4 -> E T 1 4
        l1 = (boxes - goal).abs().sum(dim=-1)  # E T q
        giou = generalized_iou(cxcywh_to_xyxy(boxes), cxcywh_to_xyxy(goal))  # E T q
        mask_cost, dice_cost = self._mask_costs(outputs['pred_masks'], targets.masks)
        return dict(cost_class=class_cost, cost_bbox=targets.box_mean(l1), cost_giou=targets.box_mean(-giou),
                    cost_mask=mask_cost, cost_dice=dice_cost)

    def _class_cost(self, logits: Tensor, targets: BatchTargets) -> Tensor:
        labels = targets.labels[:, :, None, None].expand(*logits.shape[:3], 1)  # E T -> E T q 1
        prob = logits.gather(3, labels)[..., 0].sigmoid()  # E T q
        alpha, gamma = self.focal['alpha'], self.focal['gamma']
        positive = -alpha * (1 - prob) ** gamma * (prob + 1e-8).log()
        negative = -(1 - alpha) * prob**gamma * (1 - prob + 1e-8).log()
        weight = targets.valid.to(prob.dtype)[..., None]  # E T -> E T 1
        return ((positive - negative) * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)

    def _mask_costs(self, logits: Tensor, goal: Tensor) -> tuple[Tensor, Tensor]:
        logits = logits.transpose(1, 2).flatten(2)  # E T q h w -> E q T*h*w
        goal = goal.flatten(1)[:, :, None]  # E T h w -> E T*h*w 1
        positive, negative = sigmoid_focal_terms(logits, **self.focal)
        cells = max(logits.shape[2], 1)
        focal = (torch.bmm(positive - negative, goal)[..., 0] + negative.sum(dim=2)) / cells
        prob = logits.sigmoid()
        dice = (2 * torch.bmm(prob, goal)[..., 0] + 1) / (prob.sum(dim=2) + goal.sum(dim=1) + 1)
        return focal, -dice
