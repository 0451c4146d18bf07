"""Masks by convolutions whose weights every query makes for itself (CondInst, ECCV 2020; ReferFormer, section 3.3)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmlvs.models.layers.mlp import MLP
from mmlvs.registry import MODELS


@MODELS.register_module()
class DynamicMaskHead(nn.Module):
    """A controller turns query states into 1x1 convolutions, which run on the mask features and relative coordinates.

    All queries of a frame share the features, so their first layers are one matrix product; the relative coordinates
    enter it linearly and need no tensor of their own.

    Args:
        query_channels: width C of the query states.
        mask_channels: channels m of the mask features.
        hidden_channels: channels d between the convolutions.
        num_layers: number of convolutions.
        relative_coordinates: whether two channels, x and y relative to the reference in pixels, follow the features.
        coordinate_scale: factor of the relative coordinates. The reference takes raw pixels, up to hundreds (1.0,
            needed by released weights); about 1/64 keeps them level with the features, which trains faster from
            nothing.
        stride: stride of the mask features in input pixels.
        mask_stride: stride of the resulting masks, a divisor of ``stride``.

    Raises:
        ValueError: ``mask_stride`` does not divide ``stride``, or ``num_layers`` is below 1.
    """

    def __init__(self, *, query_channels: int = 256, mask_channels: int = 256, hidden_channels: int = 8,
                 num_layers: int = 3, relative_coordinates: bool = True, coordinate_scale: float = 1.0, stride: int = 4,
                 mask_stride: int = 4) -> None:
        super().__init__()
        if stride % mask_stride or num_layers < 1:
            raise ValueError(f'DynamicMaskHead: expected mask_stride {mask_stride} to divide stride {stride} and '
                             f'num_layers {num_layers} to be at least 1')
        self.relative_coordinates, self.stride, self.upsampling = relative_coordinates, stride, stride // mask_stride
        self.coordinate_scale = coordinate_scale
        inputs = mask_channels + 2 * relative_coordinates
        widths = [inputs] + [hidden_channels] * (num_layers - 1) + [1]
        self.weight_shapes = list(zip(widths[1:], widths[:-1], strict=True))  # (out, in) of every convolution
        self.num_params = sum(out * (width + 1) for out, width in self.weight_shapes)
        self.controller = MLP(in_channels=query_channels, hidden_channels=query_channels, out_channels=self.num_params,
                              num_layers=3)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Xavier uniform for the controller, biases 0."""
        for layer in self.controller.layers:
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, states: Tensor, features: Tensor, centres: Tensor, sizes: Tensor) -> Tensor:
        """Masks of all queries.

        Args:
            states: (layers, E, T, q, C).
            features: (E, T, m, h, w).
            centres: (layers, E, T, q, 2) x, y in 0..1 of the unpadded frame.
            sizes: (E, 2) unpadded height, width in pixels.

        Returns:
            Logits (layers, E, T, q, h', w').
        """
        params = self.controller(states)
        with torch.autocast(features.device.type, enabled=False):  # pixel coordinates need full precision
            kind = torch.promote_types(features.dtype, torch.float32)
            return self.masks(params.to(kind), features.to(kind), centres.to(kind), sizes)

    def split(self, params: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Cut (..., n) into weights (..., out, in) and biases (..., out, 1): all weights first, then all biases.

        Raises:
            ValueError: n is not the number of parameters of this head.
        """
        if params.shape[-1] != self.num_params:
            raise ValueError(f'{params.shape[-1]} generated parameters, this head needs {self.num_params}')
        counts = [out * width for out, width in self.weight_shapes] + [out for out, _ in self.weight_shapes]
        parts = params.split(counts, dim=-1)
        n = len(self.weight_shapes)
        weights = [part.unflatten(-1, shape) for part, shape in zip(parts[:n], self.weight_shapes, strict=True)]
        return weights, [part[..., None] for part in parts[n:]]

    def masks(self, params: Tensor, features: Tensor, centres: Tensor, sizes: Tensor) -> Tensor:
        """Masks from given parameters (layers, E, T, q, n); the other arguments as for a call."""
        layers, rows, frames, queries = params.shape[:4]
        h, w = features.shape[-2:]
        n = rows * frames
        # layers E T q . -> E T layers q . -> E*T layers*q .
        weights, biases = self.split(_by_frame(params))
        count = layers * queries
        features = features.reshape(n, -1, h * w)  # E T m h w -> E*T m h*w
        first, bias = weights[0], biases[0]  # E*T layers*q d m+2, E*T layers*q d 1
        if self.relative_coordinates:
            # w . (reference - location) = w . reference - w . location: a bias, and a field that all queries share
            pixels = centres * sizes.flip(1).to(centres)[:, None, None]  # layers E T q 2 x, y in pixels
            first, slope = first[..., :-2], first[..., -2:] * self.coordinate_scale  # E*T layers*q d m|2
            bias = bias + slope @ _by_frame(pixels)[..., None]  # E*T layers*q d 1
            locations = _locations(h, w, self.stride, features).expand(n, -1, -1)  # E*T 2 h*w
            bias = torch.baddbmm(bias.flatten(1, 2), slope.flatten(1, 2), locations, alpha=-1)  # E*T layers*q*d h*w
        else:
            bias = bias.flatten(1, 2)  # E*T layers*q*d 1
        x = torch.baddbmm(bias, first.flatten(1, 2), features)  # E*T layers*q*d h*w
        x = x.view(n * count, -1, h * w)  # E*T*layers*q d h*w
        for weight, bias in zip(weights[1:], biases[1:], strict=True):
            x = torch.baddbmm(bias.flatten(0, 1), weight.flatten(0, 1), F.relu(x))  # E*T*layers*q d' h*w
        x = x.view(rows, frames, layers, queries, h, w).permute(2, 0, 1, 3, 4, 5)  # -> layers E T q h w
        return aligned_upsample(x, self.upsampling)


def _by_frame(x: Tensor) -> Tensor:
    """(layers, E, T, q, .) -> (E*T, layers*q, .)."""
    return x.permute(1, 2, 0, 3, 4).flatten(2, 3).flatten(0, 1)


def _locations(h: int, w: int, stride: int, like: Tensor) -> Tensor:
    """Pixel x, y of every cell of a map: (2, h*w)."""
    y = torch.arange(h, device=like.device) * stride + stride // 2
    x = torch.arange(w, device=like.device) * stride + stride // 2
    y, x = torch.meshgrid(y, x, indexing='ij')
    return torch.stack([x, y]).flatten(1).to(like.dtype)


def aligned_upsample(x: Tensor, factor: int) -> Tensor:
    """Enlarge maps so that cell i lands on pixel ``factor * i + factor // 2``; linear between, constant at the border.

    Args:
        x: (..., h, w).
        factor: whole number, at least 1.

    Returns:
        (..., factor * h, factor * w).

    Raises:
        ValueError: the factor is below 1.
    """
    if factor < 1:
        raise ValueError(f'aligned_upsample: factor {factor}, expected at least 1')
    if factor == 1:
        return x
    for axis in (-2, -1):
        x = _stretch(x, factor, axis)
    return x


def _stretch(x: Tensor, factor: int, axis: int) -> Tensor:
    length = x.shape[axis]
    place = (torch.arange(factor * length, device=x.device, dtype=x.dtype) - factor // 2) / factor
    place = place.clamp(0, length - 1)
    low = place.floor()
    part = place - low
    part = part[:, None] if axis == -2 else part
    low = low.long()
    high = (low + 1).clamp(max=length - 1)
    return x.index_select(axis, low) * (1 - part) + x.index_select(axis, high) * part
