"""ResNet v1.5 with frozen batch norm, on clips."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmcv.cnn.resnet import Bottleneck, make_res_layer
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmlvs.io.conversions.backbones import RESNET
from mmlvs.models.layers.recompute import run_layer
from mmlvs.models.pretrained import check_init_cfg, load_pretrained
from mmlvs.registry import MODELS


@MODELS.register_module()
class ResNetBackbone(BaseModule):
    """Bottleneck ResNet (He et al., CVPR 2016) with the stride on the 3x3 convolution, applied to every frame.

    Batch norm uses its stored statistics and gets no gradient, in training too. ResNet-50 has ``depths=(3, 4, 6, 3)``,
    ResNet-101 ``(3, 4, 23, 3)``. Blocks are mmcv's, names of weights torchvision's.

    Args:
        depths: blocks of the four stages.
        base_width: channels of the stem and of the 3x3 convolutions of the first stage; outputs have 4, 8, 16 and 32
            times as many.
        frozen_stages: stages without gradient: -1 none, 0 the stem, n the stem and the first n stages.
        frozen_norm: keep the batch norm fixed. False trains it (for a start from random weights).
        with_cp: recompute the blocks in the backward pass (saves memory).
        init_cfg: ``dict(type='Pretrained', checkpoint=path)`` loads an ImageNet file in ``init_weights``.
    """

    def __init__(
        self,
        *,
        depths: Sequence[int] = (3, 4, 6, 3),
        base_width: int = 64,
        frozen_stages: int = 1,
        frozen_norm: bool = True,
        with_cp: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=check_init_cfg(init_cfg))
        if len(depths) != 4:
            raise ValueError(f'depths must name the blocks of four stages, found {list(depths)}')
        if not -1 <= frozen_stages <= 4:
            raise ValueError(f'frozen_stages must lie in -1..4, found {frozen_stages}')
        self.frozen_stages = frozen_stages
        self.frozen_norm = frozen_norm
        self.with_cp = with_cp
        self.out_channels = tuple(base_width * 2**i * Bottleneck.expansion for i in range(4))
        self.out_strides = (4, 8, 16, 32)
        self.conv1 = nn.Conv2d(3, base_width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(base_width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels = base_width
        for i, depth in enumerate(depths):
            stride = 1 if i == 0 else 2
            layer = make_res_layer(Bottleneck, channels, base_width * 2**i, depth, stride=stride)
            self.add_module(f'layer{i + 1}', layer)
            channels = self.out_channels[i]
        self._freeze()

    def _freeze(self) -> None:
        """Take the gradient from frozen parts."""
        frozen = [self.conv1, self.bn1] if self.frozen_stages >= 0 else []
        frozen += [getattr(self, f'layer{i}') for i in range(1, self.frozen_stages + 1)]
        if self.frozen_norm:
            frozen += [m for m in self.modules() if isinstance(m, nn.BatchNorm2d)]
        for module in frozen:
            module.requires_grad_(False)

    def train(self, mode: bool = True) -> ResNetBackbone:
        """Training mode for all but frozen batch norm: that of frozen stages, or all of it."""
        super().train(mode)
        frozen = [self] if self.frozen_norm else [getattr(self, f'layer{i}') for i in range(1, self.frozen_stages + 1)]
        frozen += [self.bn1] if self.frozen_stages >= 0 else []
        for part in frozen:
            for module in part.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def forward(self, frames: Tensor) -> list[Tensor]:
        """Features of a batch of clips.

        Args:
            frames: (B, T, 3, H, W), normalised.

        Returns:
            list[Tensor]: (B, T, C, h, w) at strides 4, 8, 16, 32, h = ceil(H / stride).
        """
        batch, time = frames.shape[:2]
        x = frames.flatten(0, 1)  # (B, T, 3, H, W) -> (B*T, 3, H, W)
        if x.device.type == 'cpu':  # pooling, and all that treats pixels as tokens later, is faster there on such maps
            x = x.contiguous(memory_format=torch.channels_last)
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        outputs = []
        for i in range(1, 5):
            for block in getattr(self, f'layer{i}'):
                x = run_layer(block, x, with_cp=self.with_cp)
            outputs.append(x.unflatten(0, (batch, time)))  # (B*T, C, h, w) -> (B, T, C, h, w)
        return outputs

    def init_weights(self) -> None:
        """Random start (Kaiming convolutions, neutral norms), then the weights of ``init_cfg`` if there are any."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')
            elif isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)
        if self.init_cfg:
            load_pretrained(self, self.init_cfg, RESNET)
        self.is_init = True
