"""From logits of a foreground map to what is written: 8-bit soft maps (Isomer, specification section 6)."""

import torch
from torch import Tensor

from mmlvs.structures import ClipCodec

Size = tuple[int, int]


def soft_maps(logits: Tensor, ori_shape: Size, *, codec: ClipCodec | None = None, img_shape: Size | None = None,
              min_max: bool = True, eps: float = 1e-8) -> Tensor:
    """8-bit maps at original size: logits resized, sigmoid, stretched to 0..1 frame by frame, times 255, truncated.

    Stretched maps reach about 255 in every frame, also where the network is sure that there is no object.

    Args:
        logits: (K, h, w).
        ori_shape: original size (height, width).
        codec: knows the way back; None: straight from the logits' grid, as published.
        img_shape: size of the network's input; where the codec crops.
        min_max: stretch every map.
        eps: added to the range of a map; an exactly constant map becomes zero.

    Returns:
        (K, H, W) uint8.
    """
    codec = codec or ClipCodec(way_back='direct')
    logits = logits.float() if logits.element_size() < 4 else logits  # half precision has fewer levels than a byte
    maps = [_to_bytes(codec.restore_masks(block, img_shape=img_shape or ori_shape, ori_shape=ori_shape,
                                          return_prob=True), min_max, eps)
            for block in logits.split(codec.frames_at_once)]
    return torch.cat(maps) if maps else logits.new_zeros((0, *ori_shape), dtype=torch.uint8)


def _to_bytes(prob: Tensor, min_max: bool, eps: float) -> Tensor:
    """Probabilities (K, H, W) as uint8."""
    if min_max:
        low, high = prob.amin((1, 2), keepdim=True), prob.amax((1, 2), keepdim=True)
        prob = (prob - low) / (high - low + eps)
    return (prob * 255).to(torch.uint8)  # truncates
