"""Targets of query-based referring segmentation: one row is one (clip, expression) pair with one target."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

ABSENT_BOX_RULES = ('zero', 'ignore')


@dataclass
class RowTarget:
    """What one expression means in one clip.

    Attributes:
        masks: (T, H, W) bool, uint8 or float 0/1 at network size, not padded; zero where the target is absent.
        boxes: (T, 4) float cx, cy, w, h relative to the unpadded frame; zero where absent.
        valid: (T,) bool or 0/1, the target is visible.
        label: class index, or one per frame (T,); 0 for the binary head.
    """

    masks: Tensor
    boxes: Tensor
    valid: Tensor
    label: int | Tensor = 0


@dataclass
class BatchTargets:
    """Targets of all rows on the grid of the predicted masks.

    Attributes:
        masks: (E, T, h, w) float 0..1.
        boxes: (E, T, 4) float cx, cy, w, h.
        valid: (E, T) bool.
        labels: (E, T) int64.
        box_frames: (E, T) bool, frames whose box takes part in costs and losses.
    """

    masks: Tensor
    boxes: Tensor
    valid: Tensor
    labels: Tensor
    box_frames: Tensor

    def __len__(self) -> int:
        return self.masks.shape[0]

    def box_mean(self, values: Tensor) -> Tensor:
        """Mean over the counted frames of values (E, T, q) -> (E, q); 0 for a row without such a frame."""
        weight = self.box_frames.to(values.dtype)[..., None]  # E T -> E T 1
        return (values * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)


def sample_masks(masks: Tensor, grid: tuple[int, int], *, stride: int, offset: int) -> Tensor:
    """Every ``stride``-th pixel from ``offset`` on, on a grid that reaches over the padding (background there).

    Args:
        masks: (T, H, W), not padded.
        grid: (h, w) of the result.
        stride, offset: of the sampled pixels in both axes.

    Returns:
        (T, h, w), the sampled pixels at top left, zeros elsewhere.
    """
    picked = masks[:, offset::stride, offset::stride]
    out = masks.new_zeros((masks.shape[0], *grid))
    out[:, :picked.shape[1], :picked.shape[2]] = picked
    return out


def batch_targets(targets: Sequence[RowTarget], pred_masks: Tensor, batch_input_shape: tuple[int, int], *,
                  num_classes: int, stride: int, offset: int, absent_boxes: str = 'zero') -> BatchTargets:
    """Check the targets of all rows and bring them to the type, device and grid of the predictions.

    Args:
        targets: E rows.
        pred_masks: (..., E, T, q, h, w), gives type, device, T and the grid.
        batch_input_shape: padded (height, width) of the network input in pixels.
        num_classes: K; labels must be below it.
        stride, offset: pixels of the target that are compared with the predicted grid.
        absent_boxes: ``'zero'``: frames without the target keep their zero box in the box terms (ReferFormer as
            published); ``'ignore'``: such frames leave the box terms.

    Raises:
        ValueError: a count, size or label does not fit.
    """
    if absent_boxes not in ABSENT_BOX_RULES:
        raise ValueError(f'absent_boxes {absent_boxes!r}, expected one of {ABSENT_BOX_RULES}')
    rows, frames, grid = pred_masks.shape[-5], pred_masks.shape[-4], tuple(pred_masks.shape[-2:])
    if len(targets) != rows:
        raise ValueError(f'{len(targets)} targets for {rows} predicted rows; give one RowTarget for each expression')
    expected = tuple(-(-int(n) // stride) for n in batch_input_shape)
    if grid != expected:
        raise ValueError(f'predicted masks have grid {grid}; a batch of {tuple(batch_input_shape)} pixels at stride '
                         f'{stride} has {expected}')
    for i, row in enumerate(targets):
        _check_row(i, row, frames, tuple(batch_input_shape), num_classes)
    like = dict(dtype=pred_masks.dtype, device=pred_masks.device)
    masks = pred_masks.new_zeros((rows, frames, *grid))
    boxes = pred_masks.new_zeros((rows, frames, 4))
    valid = torch.zeros((rows, frames), dtype=torch.bool, device=pred_masks.device)
    labels = torch.zeros((rows, frames), dtype=torch.long, device=pred_masks.device)
    for i, row in enumerate(targets):
        masks[i] = sample_masks(row.masks, grid, stride=stride, offset=offset).to(**like)
        boxes[i] = row.boxes.to(**like)
        valid[i] = row.valid.to(device=valid.device) > 0
        labels[i] = torch.as_tensor(row.label, device=labels.device)
    box_frames = torch.ones_like(valid) if absent_boxes == 'zero' else valid
    return BatchTargets(masks=masks, boxes=boxes, valid=valid, labels=labels, box_frames=box_frames)


def _check_row(i: int, row: RowTarget, frames: int, shape: tuple[int, int], num_classes: int) -> None:
    if row.masks.dim() != 3 or row.masks.shape[0] != frames:
        raise ValueError(f'target {i}: masks of shape {tuple(row.masks.shape)}, expected (T, H, W) with T = {frames}, '
                         'the number of predicted frames')
    if row.masks.shape[1] > shape[0] or row.masks.shape[2] > shape[1]:
        raise ValueError(f'target {i}: masks of {tuple(row.masks.shape[1:])} pixels in a batch of {shape}; masks must '
                         'have the unpadded network size, not the original one')
    if tuple(row.boxes.shape) != (frames, 4) or tuple(row.valid.shape) != (frames,):
        raise ValueError(f'target {i}: boxes {tuple(row.boxes.shape)} and valid {tuple(row.valid.shape)}, expected '
                         f'({frames}, 4) and ({frames},)')
    label = torch.as_tensor(row.label)
    if label.dim() and tuple(label.shape) != (frames,):
        raise ValueError(f'target {i}: label of shape {tuple(label.shape)}, expected a number or ({frames},)')
    if int(label.min()) < 0 or int(label.max()) >= num_classes:
        raise ValueError(f'target {i}: label {row.label} outside 0..{num_classes - 1} (num_classes = {num_classes}; '
                         'the binary head takes label 0)')
