"""Training losses of ReferFormer (Wu et al., CVPR 2022, section 3.4)."""

from collections.abc import Sequence

import torch
from mmengine.dist import all_reduce, get_world_size
from torch import Tensor, nn

from mmlvs.models.losses.functional import (
    cxcywh_to_xyxy,
    dice_coefficient,
    generalized_iou,
    sigmoid_focal_loss,
)
from mmlvs.models.losses.targets import BatchTargets, RowTarget, batch_targets
from mmlvs.registry import MODELS, TASK_UTILS
from mmlvs.utils import build

TERMS = ('loss_ce', 'loss_bbox', 'loss_giou', 'loss_mask', 'loss_dice')


@MODELS.register_module()
class ReferFormerCriterion(nn.Module):
    """Matches every decoder layer anew and gives its five losses.

    All terms are divided by the number of frames where a target is visible, averaged over ranks, at least 1; the mask
    terms too, although there is one per row. With k the matched query:

    * ``loss_ce``: focal loss of all class logits, positive only at (visible frame, k, label), summed;
    * ``loss_bbox``: L1 distance of box k, summed over frames; ``loss_giou``: 1 - GIoU of box k, summed over frames;
    * ``loss_mask``: focal loss of mask k, mean over the cells of a clip, summed over rows (padding is background);
    * ``loss_dice``: 1 - dice coefficient of mask k over the whole clip, summed over rows.

    Args:
        matcher: module or settings, called as ``matcher(outputs of a layer, BatchTargets)`` -> (E,).
        weight_ce, weight_bbox, weight_giou, weight_mask, weight_dice: weights of the terms, equal for all layers.
        num_classes: K of the class head; 1 = referred or not.
        focal_alpha, focal_gamma: of the class and mask terms.
        mask_stride, mask_offset: the target's pixels that are compared with the predicted masks.
        absent_boxes: ``'zero'``: frames without the target count in the box terms with a zero box (as published);
            ``'ignore'``: they do not count.
        aux_losses: losses of the earlier layers too, named ``loss_ce_0``, ``loss_ce_1``, ...
    """

    def __init__(self, *, matcher: dict | nn.Module, weight_ce: float = 2.0, weight_bbox: float = 5.0,
                 weight_giou: float = 2.0, weight_mask: float = 2.0, weight_dice: float = 5.0, num_classes: int = 1,
                 focal_alpha: float = 0.25, focal_gamma: float = 2.0, mask_stride: int = 4, mask_offset: int = 2,
                 absent_boxes: str = 'zero', aux_losses: bool = True) -> None:
        super().__init__()
        self.matcher = build(matcher, TASK_UTILS)
        self.weights = dict(loss_ce=weight_ce, loss_bbox=weight_bbox, loss_giou=weight_giou, loss_mask=weight_mask,
                            loss_dice=weight_dice)
        self.focal = dict(alpha=focal_alpha, gamma=focal_gamma)
        self.grid = dict(num_classes=num_classes, stride=mask_stride, offset=mask_offset, absent_boxes=absent_boxes)
        self.aux_losses = aux_losses

    def forward(self, outputs: dict[str, Tensor], targets: Sequence[RowTarget],
                batch_input_shape: tuple[int, int]) -> dict[str, Tensor]:
        """Weighted losses.

        Args:
            outputs: ``pred_logits`` (layers, E, T, q, K), ``pred_boxes`` (layers, E, T, q, 4) cx, cy, w, h relative to
                the unpadded frame, ``pred_masks`` (layers, E, T, q, h, w) logits; the last layer is the prediction.
            targets: one for each of the E rows.
            batch_input_shape: padded (height, width) of the network input in pixels.

        Returns:
            Scalars, ``loss_ce`` ... of the last layer and ``loss_ce_<i>`` ... of the earlier ones. Without any row all
            are zero and still connected to the outputs.

        Raises:
            ValueError: outputs and targets do not fit.
        """
        outputs, prepared = self.prepare(outputs, targets, batch_input_shape)
        terms = self.terms(outputs, prepared, self.match(outputs, prepared))
        losses = {}
        for name in TERMS:
            weighted = self.weights[name] * terms[name]  # layers
            losses[name] = weighted[-1]
            for i, value in enumerate(weighted[:-1]):
                losses[f'{name}_{i}'] = value
        return losses

    def prepare(self, outputs: dict[str, Tensor], targets: Sequence[RowTarget],
                batch_input_shape: tuple[int, int]) -> tuple[dict[str, Tensor], BatchTargets]:
        """Outputs of the layers that get a loss, at least in float32, and the targets on their grid."""
        keep = slice(None) if self.aux_losses else slice(-1, None)
        chosen = {}
        for name in ('pred_logits', 'pred_boxes', 'pred_masks'):
            value = outputs[name][keep]
            chosen[name] = value.float() if value.dtype in (torch.float16, torch.bfloat16) else value
        classes = chosen['pred_logits'].shape[-1]
        if classes != self.grid['num_classes']:
            raise ValueError(f'pred_logits have {classes} classes, the criterion expects num_classes = '
                             f'{self.grid["num_classes"]}; set both to the same number')
        return chosen, batch_targets(targets, chosen['pred_masks'], batch_input_shape, **self.grid)

    def match(self, outputs: dict[str, Tensor], targets: BatchTargets) -> Tensor:
        """Matched queries (layers, E); one layer at a time, which bounds memory."""
        layers = range(len(outputs['pred_logits']))
        return torch.stack([self.matcher({k: v[i] for k, v in outputs.items()}, targets) for i in layers])

    def terms(self, outputs: dict[str, Tensor], targets: BatchTargets, matched: Tensor) -> dict[str, Tensor]:
        """Unweighted losses, each (layers,); the matched masks of all layers are computed at once."""
        count = self._count(targets)
        loss_ce = self._class_loss(outputs['pred_logits'], targets, matched)
        boxes, goal = _take(outputs['pred_boxes'], matched), targets.boxes  # layers E T 4, E T 4
        counted = targets.box_frames.to(boxes.dtype)  # E T
        l1 = (boxes - goal).abs().sum(dim=-1) * counted  # layers E T
        giou = (1 - generalized_iou(cxcywh_to_xyxy(boxes), cxcywh_to_xyxy(goal))) * counted  # layers E T
        masks = _take(outputs['pred_masks'], matched).flatten(2)  # layers E T h w -> layers E T*h*w
        goal = targets.masks.flatten(1)  # E T h w -> E T*h*w
        focal = sigmoid_focal_loss(masks, goal, **self.focal).sum(dim=2) / max(masks.shape[2], 1)  # layers E
        dice = 1 - dice_coefficient(masks.sigmoid(), goal)  # layers E
        sums = (loss_ce, l1.sum(dim=(1, 2)), giou.sum(dim=(1, 2)), focal.sum(dim=1), dice.sum(dim=1))
        return {name: value / count for name, value in zip(TERMS, sums, strict=True)}

    def _class_loss(self, logits: Tensor, targets: BatchTargets, matched: Tensor) -> Tensor:
        layers, _, frames = logits.shape[:3]
        goal = torch.zeros_like(logits)  # layers E T q K
        layer, row, frame = torch.meshgrid(
            torch.arange(layers, device=logits.device), torch.arange(len(targets), device=logits.device),
            torch.arange(frames, device=logits.device), indexing='ij')  # layers E T each
        query, label = matched[:, :, None].expand_as(frame), targets.labels.expand_as(frame)
        goal[layer, row, frame, query, label] = targets.valid.to(logits.dtype).expand_as(frame)
        return sigmoid_focal_loss(logits, goal, **self.focal).flatten(1).sum(dim=1)  # layers

    @staticmethod
    def _count(targets: BatchTargets) -> Tensor:
        """Number of frames with a visible target, averaged over ranks, at least 1."""
        count = targets.valid.sum().to(targets.masks.dtype)
        all_reduce(count, op='sum')
        return (count / get_world_size()).clamp(min=1)


def _take(values: Tensor, matched: Tensor) -> Tensor:
    """Values (layers, E, T, q, ...) at the matched queries (layers, E) -> (layers, E, T, ...)."""
    layers, rows = matched.shape
    layer = torch.arange(layers, device=values.device)[:, None]  # layers 1
    row = torch.arange(rows, device=values.device)[None]  # 1 E
    return values.transpose(2, 3)[layer, row, matched]  # layers E T q ... -> layers E q T ... -> layers E T ...
