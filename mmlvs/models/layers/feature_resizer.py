"""Projection of features of one width to another."""

from __future__ import annotations

from torch import Tensor, nn


class FeatureResizer(nn.Module):
    """Linear layer, layer norm and dropout, (..., C_in) -> (..., C_out) (MDETR, section 3.1).

    Args:
        in_channels: width of the input.
        out_channels: width of the output.
        dropout: drop probability.
        norm_eps: eps of the layer norm.
    """

    def __init__(self, *, in_channels: int, out_channels: int, dropout: float = 0.1, norm_eps: float = 1e-12) -> None:
        super().__init__()
        self.fc = nn.Linear(in_channels, out_channels)
        self.layer_norm = nn.LayerNorm(out_channels, eps=norm_eps)
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor) -> Tensor:
        return self.dropout(self.layer_norm(self.fc(features)))
