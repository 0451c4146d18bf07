"""Multi-layer perceptron."""

import torch.nn.functional as F
from torch import Tensor, nn


class MLP(nn.Module):
    """Linear layers with ReLU between them, none after the last.

    Args:
        in_channels: channels of the input.
        hidden_channels: channels between the layers.
        out_channels: channels of the output.
        num_layers: number of linear layers, at least 1.
    """

    def __init__(self, *, in_channels: int, hidden_channels: int, out_channels: int, num_layers: int) -> None:
        super().__init__()
        if num_layers < 1:
            raise ValueError(f'MLP: num_layers {num_layers}, expected at least 1')
        widths = [in_channels] + [hidden_channels] * (num_layers - 1) + [out_channels]
        self.layers = nn.ModuleList(
            nn.Linear(width_in, width_out) for width_in, width_out in zip(widths[:-1], widths[1:], strict=True))

    def forward(self, x: Tensor) -> Tensor:
        """(..., in_channels) -> (..., out_channels)."""
        for layer in list(self.layers)[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)
