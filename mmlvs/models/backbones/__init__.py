"""Visual backbones: clips (B, T, 3, H, W) to four maps (B, T, C, h, w) at strides 4, 8, 16, 32."""

from mmlvs.models.backbones.resnet import ResNetBackbone
from mmlvs.models.backbones.swin import SwinBackbone, VideoSwinBackbone, WindowedBackbone

__all__ = ['ResNetBackbone', 'SwinBackbone', 'VideoSwinBackbone', 'WindowedBackbone']
