"""Small reusable parts of networks, without a config of their own."""

from mmlvs.models.layers.cst import ContextSharingTransformer
from mmlvs.models.layers.deformable_attention import DeformableAttention
from mmlvs.models.layers.feature_resizer import FeatureResizer
from mmlvs.models.layers.mlp import MLP
from mmlvs.models.layers.pixel_word_attention import (
    CoAttention,
    CollectDiffuse,
    PairedPixelWordAttention,
    PixelWordAttention,
    SentenceProduct,
)
from mmlvs.models.layers.position_encoding import ClipPositionEncoding, FramePositionEncoding, TextPositionEncoding
from mmlvs.models.layers.sgst import SemanticGatheringScatteringTransformer
from mmlvs.models.layers.vision_language_attention import VisionLanguageBlock, VisionLanguageFusion

__all__ = [
    'MLP', 'ClipPositionEncoding', 'CoAttention', 'CollectDiffuse', 'ContextSharingTransformer', 'DeformableAttention',
    'FeatureResizer', 'FramePositionEncoding', 'PairedPixelWordAttention', 'PixelWordAttention',
    'SemanticGatheringScatteringTransformer', 'SentenceProduct', 'TextPositionEncoding', 'VisionLanguageBlock',
    'VisionLanguageFusion'
]
