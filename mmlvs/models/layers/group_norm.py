"""Group norm that keeps its precision on maps with channels last."""

import torch
from torch import Tensor, nn


class GroupNorm(nn.GroupNorm):
    """``nn.GroupNorm``, whose variance on a CPU and with channels last in memory is a difference of large numbers when
    the mean of a group is large: it loses a decimal place or two in float32. There the mean is taken off before, which
    changes neither the result nor the gradient otherwise."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, C, h, w)."""
        if x.device.type == 'cpu' and not torch.compiler.is_compiling() and not x.is_contiguous():
            mean = x.detach().mean(dim=(2, 3), keepdim=True)  # N C 1 1
            mean = mean.unflatten(1, (self.num_groups, -1)).mean(dim=2, keepdim=True)  # N groups 1 1 1
            x = x - mean.expand(-1, -1, x.shape[1] // self.num_groups, -1, -1).flatten(1, 2)  # N C 1 1
        return super().forward(x)
