"""Fixed sine position encodings of text, frames and clips, with padding taken into account.

All are computed in float32 whatever the precision of the network, from padding masks (True = padding).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class SinePositionEncoding(nn.Module):
    """Positions along axes of a padded grid as sines and cosines (Vaswani et al., 2017; DETR, appendix A.4).

    A position is the number of valid cells up to and including the cell, along one axis. Normalised, it is divided
    by the last count of that line and multiplied by ``scale``. Channels 2k and 2k+1 of an axis hold sine and cosine of
    position / temperature^(2k / F).

    Args:
        num_features: channels F of one axis, an even number.
        temperature: base of the wavelengths.
        normalize: divide by the length of the line.
        scale: full circle of a normalised position.
        eps: added to the length.
        offset: added to the count of a normalised position (-0.5 puts the position into the middle of the cell).
    """

    def __init__(
        self,
        *,
        num_features: int,
        temperature: float = 10000.0,
        normalize: bool = True,
        scale: float = 2 * math.pi,
        eps: float = 1e-6,
        offset: float = 0.0,
    ) -> None:
        super().__init__()
        if num_features <= 0 or num_features % 2:
            raise ValueError(f'num_features must be even (sines and cosines), found {num_features}')
        self.num_features = num_features
        self.temperature = temperature
        self.normalize = normalize
        self.scale = scale
        self.eps = eps
        self.offset = offset

    def encode_axis(self, valid: Tensor, axis: int) -> Tensor:
        """Encoding along one axis, (...) float 0/1 -> (..., F)."""
        position = valid.cumsum(axis, dtype=torch.float32)
        if self.normalize:
            last = position.select(axis, -1).unsqueeze(axis)
            position = (position + self.offset) / (last + self.eps) * self.scale
        channel = torch.arange(self.num_features, dtype=torch.float32, device=valid.device)
        wavelength = self.temperature**(2 * (channel // 2) / self.num_features)
        angle = position.unsqueeze(-1) / wavelength  # (..., F)
        sines, cosines = angle[..., 0::2].sin(), angle[..., 1::2].cos()
        return torch.stack([sines, cosines], dim=-1).flatten(-2)  # (..., F / 2, 2) -> (..., F)


class TextPositionEncoding(SinePositionEncoding):
    """Positions of words, (E, L) -> (E, F, L). Padding keeps the last position."""

    def forward(self, padding: Tensor) -> Tensor:
        """Encoding of a batch of sentences.

        Args:
            padding: (E, L) bool, True = padding.

        Returns:
            Tensor: float32 (E, F, L).
        """
        return self.encode_axis((~padding).float(), 1).transpose(1, 2)  # (E, L, F) -> (E, F, L)


class FramePositionEncoding(SinePositionEncoding):
    """Positions in a map, (N, h, w) -> (N, 2F, h, w): channels of y, then of x.

    ``offset=-0.5`` is the usual value for maps, and the default here.
    """

    def __init__(
        self,
        *,
        num_features: int,
        temperature: float = 10000.0,
        normalize: bool = True,
        scale: float = 2 * math.pi,
        eps: float = 1e-6,
        offset: float = -0.5,
    ) -> None:
        super().__init__(
            num_features=num_features,
            temperature=temperature,
            normalize=normalize,
            scale=scale,
            eps=eps,
            offset=offset,
        )

    def forward(self, padding: Tensor) -> Tensor:
        """Encoding of a batch of maps.

        Args:
            padding: (N, h, w) bool, True = padding.

        Returns:
            Tensor: float32 (N, 2F, h, w).
        """
        valid = (~padding).float()
        encoding = torch.cat([self.encode_axis(valid, 1), self.encode_axis(valid, 2)], dim=-1)
        return encoding.permute(0, 3, 1, 2)  # (N, h, w, 2F) -> (N, 2F, h, w)


class ClipPositionEncoding(SinePositionEncoding):
    """Positions in a clip, (B, T, h, w) -> (B, T, 3F, h, w): channels of the frame, then of y, then of x."""

    def forward(self, padding: Tensor) -> Tensor:
        """Encoding of a batch of clips.

        Args:
            padding: (B, T, h, w) bool, True = padding.

        Returns:
            Tensor: float32 (B, T, 3F, h, w).
        """
        valid = (~padding).float()
        encoding = torch.cat([self.encode_axis(valid, axis) for axis in (1, 2, 3)], dim=-1)
        return encoding.permute(0, 1, 4, 2, 3)  # (B, T, h, w, 3F) -> (B, T, 3F, h, w)
