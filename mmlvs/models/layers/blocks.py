"""Bounding memory where frames do not see each other."""

import torch

FRAMES_AT_ONCE = 8


def frame_blocks(frames: int) -> list[slice]:
    """Blocks of frames to run one after another: all at once while gradients are kept, else ``FRAMES_AT_ONCE``.

    Args:
        frames: number of frames, at least 1.
    """
    if torch.is_grad_enabled():
        return [slice(0, frames)]
    return [slice(start, start + FRAMES_AT_ONCE) for start in range(0, frames, FRAMES_AT_ONCE)]
