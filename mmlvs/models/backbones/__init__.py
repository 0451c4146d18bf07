"""Visual backbones: clips (B, T, 3, H, W) to four maps (B, T, C, h, w) at strides 4, 8, 16, 32."""

from mmlvs.models.backbones.frames import FrameBackbone
from mmlvs.models.backbones.language_aware_swin import LanguageAwareSwin
from mmlvs.models.backbones.mix_transformer import MixTransformerBackbone, MMSegMixTransformer
from mmlvs.models.backbones.resnet import ResNetBackbone
from mmlvs.models.backbones.swin import SwinBackbone, VideoSwinBackbone, WindowedBackbone
from mmlvs.models.backbones.timm import TimmNetwork
from mmlvs.models.backbones.two_stream import TwoStreamBackbone

__all__ = [
    'FrameBackbone', 'LanguageAwareSwin', 'MMSegMixTransformer', 'MixTransformerBackbone', 'ResNetBackbone',
    'SwinBackbone', 'TimmNetwork', 'TwoStreamBackbone', 'VideoSwinBackbone', 'WindowedBackbone'
]
