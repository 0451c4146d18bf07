"""Losses of soft foreground maps."""

import torch.nn.functional as F
from torch import Tensor, nn

from mmlvs.models.losses.functional import dice_coefficient
from mmlvs.registry import MODELS


@MODELS.register_module()
class SaliencyCriterion(nn.Module):
    """Binary cross-entropy of a map's logits, as Isomer is trained with; a dice term on request.

    Args:
        weight_bce: of the mean over all pixels that count.
        weight_dice: of 1 - dice of every map, mean over maps (not in the paper; 0 = left out).
    """

    def __init__(self, *, weight_bce: float = 1.0, weight_dice: float = 0.0) -> None:
        super().__init__()
        self.weight_bce, self.weight_dice = weight_bce, weight_dice

    def forward(self, logits: Tensor, target: Tensor, ignore: Tensor | None = None) -> dict[str, Tensor]:
        """Losses of N maps.

        Args:
            logits: (N, H, W).
            target: (N, H, W) in 0..1; it may be soft.
            ignore: (N, H, W) bool, True = the pixel counts for nothing.

        Raises:
            ValueError: shapes differ.
        """
        if logits.shape != target.shape or (ignore is not None and ignore.shape != target.shape):
            raise ValueError(f'SaliencyCriterion: expected logits, target and ignore of one shape (N, H, W), found '
                             f'{tuple(logits.shape)}, {tuple(target.shape)}'
                             f'{"" if ignore is None else f", {tuple(ignore.shape)}"}')
        logits = logits.float() if logits.element_size() < 4 else logits
        target = target.to(logits.dtype)
        if ignore is None:
            losses = dict(loss_bce=self.weight_bce * F.binary_cross_entropy_with_logits(logits, target))
        else:
            every = F.binary_cross_entropy_with_logits(logits, target, reduction='none').masked_fill(ignore, 0)
            losses = dict(loss_bce=self.weight_bce * every.sum() / (~ignore).sum().clamp(min=1))
        if self.weight_dice:
            prob = logits.sigmoid()
            if ignore is not None:
                prob, target = prob.masked_fill(ignore, 0), target.masked_fill(ignore, 0)
            dice = dice_coefficient(prob.flatten(1), target.flatten(1))  # N
            losses['loss_dice'] = self.weight_dice * (1 - dice).mean()
        return losses
