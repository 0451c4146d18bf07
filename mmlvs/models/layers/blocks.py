"""Blocks of frames and of tokens that do not see each other: they bound memory, and stay in the cache of a CPU.

Only where no gradient is kept, and not while a compiler or exporter records the network.
"""

from collections.abc import Callable

import torch
from torch import Tensor

FRAMES_AT_ONCE = 8
TOKENS_AT_ONCE = 1024  # a hidden layer of 2048 channels of them takes 8 MiB


def may_rearrange(device: torch.device) -> bool:
    """Whether work may take its form from what a CPU likes: no gradient is kept and nothing records the network."""
    return device.type == 'cpu' and not torch.is_grad_enabled() and not torch.compiler.is_compiling()


def frame_blocks(frames: int, tokens: int, device: torch.device) -> list[slice]:
    """Blocks of frames to run one after another: all at once while gradients are kept, else at most ``FRAMES_AT_ONCE``;
    on a CPU only one where a frame is large.

    Args:
        frames: number of frames, at least 1.
        tokens: tokens of one frame.
        device: where they lie.
    """
    if torch.is_grad_enabled() or torch.compiler.is_compiling():
        return [slice(0, frames)]
    step = FRAMES_AT_ONCE
    if device.type == 'cpu':
        step = min(max(FRAMES_AT_ONCE * TOKENS_AT_ONCE // max(tokens, 1), 1), step)
    return [slice(start, start + step) for start in range(0, frames, step)]


def by_tokens(function: Callable[..., Tensor], *tokens: Tensor, axis: int = 1) -> Tensor:
    """Run a function that treats every token alone: on a CPU in blocks of about ``TOKENS_AT_ONCE``, else as a whole.

    Args:
        function: tensors (..., S, ..., C) to one (..., S, ..., C).
        tokens: (..., S, ..., C); all but the first may have 1 in place of an axis other than S.
        axis: where S is, the axis that is cut.
    """
    x = tokens[0]
    if not may_rearrange(x.device):
        return function(*tokens)
    others = max(x[..., 0].numel() // max(x.shape[axis], 1), 1)  # tokens at one place of the axis
    step = max(TOKENS_AT_ONCE // others, 1)
    if x.shape[axis] <= step:
        return function(*tokens)
    out = None
    for start in range(0, x.shape[axis], step):
        length = min(step, x.shape[axis] - start)
        part = function(*(y.narrow(axis, start, length) for y in tokens))
        if out is None:  # one result that all blocks fill: their own memory is free for the next block
            out = part.new_empty((*x.shape[:-1], part.shape[-1]))
        out.narrow(axis, start, length).copy_(part)
    return out
