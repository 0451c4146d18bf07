"""Networks for images as backbones of clips."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn

from mmlvs.registry import MODELS
from mmlvs.utils import build


@MODELS.register_module()
class FrameBackbone(BaseModule):
    """A network for images, of another toolbox as a rule, applied to every frame of a clip.

    Frames do not see each other. Random start, weights and frozen parts are the network's own affair.

    Args:
        network: images (N, 3, H, W) to a sequence of maps (N, C, h, w), from fine to coarse: settings such as
            ``dict(type='mmdet.ResNet', depth=50)``, ``dict(type='TimmNetwork', name='convnext_tiny')``, or a module.
        out_channels: channels C of the maps; None where the network has ``out_channels`` itself.
        out_strides: strides of the maps; None for those of the network, or else 4, 8, 16, 32.

    Raises:
        ValueError: channels are neither given nor known; channels and strides differ in number.
    """

    def __init__(self, *, network: dict | nn.Module, out_channels: Sequence[int] | None = None,
                 out_strides: Sequence[int] | None = None) -> None:
        super().__init__()
        self.network = build(network, MODELS)
        known = [getattr(self.network, name, None) for name in ('out_channels', 'out_strides')]
        out_channels, out_strides = out_channels or known[0], out_strides or known[1] or (4, 8, 16, 32)
        if out_channels is None:
            raise ValueError(f'FrameBackbone: {type(self.network).__name__} does not say how many channels its maps '
                             'have; set out_channels, for example (256, 512, 1024, 2048) for ResNet-50')
        self.out_channels, self.out_strides = tuple(out_channels), tuple(out_strides)
        if len(self.out_channels) != len(self.out_strides):
            raise ValueError(f'FrameBackbone: out_channels {self.out_channels} and out_strides {self.out_strides} must '
                             'have one entry for each map')

    def forward(self, frames: Tensor) -> list[Tensor]:
        """Features of a batch of clips.

        Args:
            frames: (B, T, 3, H, W), normalised.

        Returns:
            list[Tensor]: (B, T, C, h, w) of every map.

        Raises:
            ValueError: the network gives other maps than ``out_channels`` says.
        """
        batch, time = frames.shape[:2]
        maps = self.network(frames.flatten(0, 1))  # (B, T, 3, H, W) -> (B*T, 3, H, W)
        channels = tuple(x.shape[1] for x in maps)
        if channels != self.out_channels:
            raise ValueError(f'FrameBackbone: out_channels is {self.out_channels}, but {type(self.network).__name__} '
                             f'gives maps of {channels} channels; correct out_channels, or its choice of outputs')
        return [x.unflatten(0, (batch, time)) for x in maps]  # (B*T, C, h, w) -> (B, T, C, h, w)
