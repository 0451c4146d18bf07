"""Arithmetic of boxes and masks that the transforms share: pure functions on numpy arrays.

Boxes are x1, y1, x2, y2 in pixels, x2 and y2 the *index* of the last column and row (no + 1), as in the training
targets of ReferFormer; absent objects have a zero box.
"""

import cv2
import numpy as np


def mask_boxes(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (..., 4) float32 of masks (..., H, W), and whether there is any pixel (...)."""
    boxes = np.zeros((*masks.shape[:-2], 4), dtype=np.float32)
    valid = np.zeros(masks.shape[:-2], dtype=bool)
    for place in np.ndindex(*masks.shape[:-2]):
        mask = masks[place] if masks.dtype == np.uint8 else (masks[place] > 0).astype(np.uint8)
        x, y, width, height = cv2.boundingRect(np.ascontiguousarray(mask)) if mask.size else (0, 0, 0, 0)
        if width:
            boxes[place], valid[place] = (x, y, x + width - 1, y + height - 1), True
    return boxes, valid


def flip_boxes(boxes: np.ndarray, width: int) -> np.ndarray:
    """Boxes after a horizontal flip: x becomes ``width - x`` (without - 1, as the reference has it)."""
    out = boxes.copy()
    out[..., 0], out[..., 2] = width - boxes[..., 2], width - boxes[..., 0]
    return out


def resize_boxes(boxes: np.ndarray, size: tuple[int, int], new_size: tuple[int, int]) -> np.ndarray:
    """Boxes after frames of ``size`` (height, width) became ``new_size``."""
    sy, sx = (new / old for new, old in zip(new_size, size, strict=True))
    return (boxes * np.array([sx, sy, sx, sy], dtype=np.float32)).astype(np.float32)


def crop_boxes(boxes: np.ndarray, top: int, left: int, height: int, width: int) -> np.ndarray:
    """Boxes relative to a region, clamped to 0..width and 0..height."""
    moved = boxes - np.array([left, top, left, top], dtype=np.float32)
    return np.clip(moved, 0, np.array([width, height, width, height], dtype=np.float32)).astype(np.float32)


def box_area(boxes: np.ndarray) -> np.ndarray:
    """Area (...) of boxes (..., 4), zero for boxes turned inside out."""
    sides = np.clip(boxes[..., 2:] - boxes[..., :2], 0, None)
    return sides[..., 0] * sides[..., 1]


def normalise_boxes(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Corner boxes in pixels to cx, cy, w, h relative to frames of ``size`` (height, width)."""
    height, width = size
    centre, side = (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]
    scale = np.array([width, height, width, height], dtype=np.float32)
    return (np.concatenate([centre, side], axis=-1) / scale).astype(np.float32)
