"""Small reusable parts of networks, without a config of their own."""

from mmlvs.models.layers.deformable_attention import DeformableAttention
from mmlvs.models.layers.feature_resizer import FeatureResizer
from mmlvs.models.layers.mlp import MLP
from mmlvs.models.layers.position_encoding import ClipPositionEncoding, FramePositionEncoding, TextPositionEncoding
from mmlvs.models.layers.vision_language_attention import VisionLanguageBlock, VisionLanguageFusion

__all__ = [
    'MLP', 'ClipPositionEncoding', 'DeformableAttention', 'FeatureResizer', 'FramePositionEncoding',
    'TextPositionEncoding', 'VisionLanguageBlock', 'VisionLanguageFusion'
]
