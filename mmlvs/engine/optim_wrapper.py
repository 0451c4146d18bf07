"""Training in bfloat16, on CPU as on GPU."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.optim import OptimWrapper

from mmlvs.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """mmengine's OptimWrapper with bfloat16 autocast in the forward pass; needs no loss scaling.

    Args:
        optimizer: settings or optimiser.
        accumulative_counts: steps whose gradients are summed before an update.
        clip_grad: settings of gradient clipping.
    """

    def __init__(self, *, optimizer: Any, accumulative_counts: int = 1, clip_grad: dict | None = None) -> None:
        super().__init__(optimizer=optimizer, accumulative_counts=accumulative_counts, clip_grad=clip_grad)

    @contextmanager
    def optim_context(self, model: torch.nn.Module) -> Iterator[None]:
        """Forward pass under autocast of the model's device."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, dtype=torch.bfloat16):
            yield
