"""Activation checkpointing: run a layer without keeping what its backward pass needs, and run it again there."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def run_layer(layer: nn.Module, *inputs: Any, with_cp: bool) -> Any:
    """``layer(*inputs)``, with ``with_cp`` in training recomputed in the backward pass (Chen et al., Training Deep Nets
    with Sublinear Memory Cost, 2016).

    Results and gradients are the same: dropout draws the same numbers again, and running statistics of batch norms
    change in the first pass only.
    """
    if not (with_cp and layer.training and torch.is_grad_enabled()):
        return layer(*inputs)
    return checkpoint(layer, *inputs, use_reentrant=False,
                      context_fn=lambda: (contextlib.nullcontext(), _statistics_kept(layer)))


@contextlib.contextmanager
def _statistics_kept(layer: nn.Module) -> Iterator[None]:
    """Batch norms normalise by the batch as before, but do not count it a second time."""
    norms = [m for m in layer.modules() if isinstance(m, _BatchNorm) and m.training and m.track_running_stats]
    kept = [(norm.running_mean, norm.running_var, norm.num_batches_tracked) for norm in norms]
    for norm, tensors in zip(norms, kept, strict=True):
        norm.running_mean, norm.running_var, norm.num_batches_tracked = (tensor.clone() for tensor in tensors)
    try:
        yield
    finally:
        for norm, tensors in zip(norms, kept, strict=True):
            norm.running_mean, norm.running_var, norm.num_batches_tracked = tensors
