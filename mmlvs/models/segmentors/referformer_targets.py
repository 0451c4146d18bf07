"""From ground truth of samples to the rows that ReferFormer's criterion compares with (ReferFormer, section 3.4)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mmlvs.models.losses.targets import RowTarget
from mmlvs.structures import VideoSegDataSample


def key_frames_of(samples: Sequence[VideoSegDataSample]) -> Tensor | None:
    """Frames that are kept after the backbone: (B, K) positions in the clips; None = all frames.

    Raises:
        ValueError: only some of the samples are key-frame items, or they have different numbers of key frames.
    """
    if not any(sample.is_key_frame_item for sample in samples):
        return None
    rows = [sample.scored_frames for sample in samples]
    if len({len(row) for row in rows}) != 1:
        raise ValueError(f'the clips of a batch have {[len(row) for row in rows]} key frames; clips with key frames '
                         'and clips that are predicted as a whole cannot share a batch')
    return torch.tensor(rows, dtype=torch.int64)


def row_targets(samples: Sequence[VideoSegDataSample], sizes: Sequence[tuple[int, int]], num_frames: int,
                with_labels: bool = False) -> list[RowTarget]:
    """Targets of all expressions, sample by sample.

    Args:
        samples: with ground truth at network size.
        sizes: unpadded (height, width) of every clip.
        num_frames: predicted frames T of the batch; frames beyond a clip's own are absent.
        with_labels: whether rows take the category of their (first) object, ``gt_labels``; else all have label 0.

    Returns:
        E rows: masks (T, H, W), boxes (T, 4) cx, cy, w, h relative to the unpadded frame, valid (T,).

    Raises:
        ValueError: ground truth of another size than the frames, or without the labels that are asked for.
    """
    return [_row(sample, expression, tuple(size), num_frames, with_labels)
            for sample, size in zip(samples, sizes, strict=True) for expression in range(sample.num_expressions)]


def _row(sample: VideoSegDataSample, expression: int, size: tuple[int, int], num_frames: int,
         with_labels: bool) -> RowTarget:
    target = sample.target(expression)  # T H W
    if tuple(target.shape[-2:]) != size:
        raise ValueError(f'ground truth of video {sample.metainfo.get("video_id")!r} has {tuple(target.shape[-2:])} '
                         f'pixels, its frames have {size}; training needs both at the same size')
    objects = list(sample.gt_objects[expression])
    frames = sample.scored_frames
    masks = target.new_zeros((num_frames, *size))
    boxes = torch.zeros((num_frames, 4), device=target.device)
    valid = torch.zeros(num_frames, dtype=torch.bool, device=target.device)
    if objects:
        seen = sample.gt_valid[objects][:, frames].to(device=target.device, dtype=torch.bool)  # O K
        corners = _join_boxes(sample.gt_boxes[objects][:, frames].to(boxes), seen)  # O K 4 -> K 4
        valid[:len(frames)] = seen.any(dim=0)
        masks[:len(frames)] = target[frames]  # also where the box has lost its area and the frame counts as invalid
        boxes[:len(frames)] = _relative(corners, size) * valid[:len(frames), None]
    label = _label(sample, objects) if with_labels else 0
    return RowTarget(masks=masks, boxes=boxes, valid=valid, label=label)


def _label(sample: VideoSegDataSample, objects: list[int]) -> int:
    if 'gt_labels' not in sample:
        raise ValueError(f'sample of video {sample.metainfo.get("video_id")!r} has no gt_labels, which a model with '
                         'more than one class needs; add the transform that labels objects, or set num_classes = 1')
    return int(sample.gt_labels[objects[0]]) if objects else 0


def _join_boxes(boxes: Tensor, seen: Tensor) -> Tensor:
    """Smallest box around the visible objects: (O, K, 4) x1 y1 x2 y2, (O, K) -> (K, 4)."""
    hidden = ~seen[..., None]  # O K 1
    low = boxes[..., :2].masked_fill(hidden, torch.inf).amin(dim=0)
    high = boxes[..., 2:].masked_fill(hidden, -torch.inf).amax(dim=0)
    return torch.cat([low, high], dim=-1).nan_to_num(posinf=0.0, neginf=0.0)  # no object in a frame: zero box


def _relative(corners: Tensor, size: tuple[int, int]) -> Tensor:
    """(K, 4) x1 y1 x2 y2 in pixels -> cx cy w h relative to (height, width)."""
    height, width = size
    scale = corners.new_tensor([width, height])
    low, high = corners[:, :2] / scale, corners[:, 2:] / scale
    return torch.cat([(low + high) / 2, high - low], dim=-1)
