"""Formulas of losses and the criteria built of them."""

from mmlvs.models.losses.functional import (
    cxcywh_to_xyxy,
    dice_coefficient,
    generalized_iou,
    sigmoid_focal_loss,
    sigmoid_focal_terms,
)
from mmlvs.models.losses.pixel_criteria import ClassCrossEntropy, ClassDice
from mmlvs.models.losses.referformer_criterion import ReferFormerCriterion
from mmlvs.models.losses.saliency_criterion import SaliencyCriterion
from mmlvs.models.losses.targets import BatchTargets, RowTarget, batch_targets, sample_masks

__all__ = [
    'BatchTargets', 'ClassCrossEntropy', 'ClassDice', 'ReferFormerCriterion', 'RowTarget', 'SaliencyCriterion',
    'batch_targets', 'cxcywh_to_xyxy', 'dice_coefficient', 'generalized_iou', 'sample_masks', 'sigmoid_focal_loss',
    'sigmoid_focal_terms'
]
