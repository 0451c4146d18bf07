"""Networks: backbones, text encoders, decoders, losses, and the methods built from them."""

from mmlvs.models.backbones import ResNetBackbone, SwinBackbone, VideoSwinBackbone
from mmlvs.models.data_preprocessor import ClipDataPreprocessor
from mmlvs.models.decoders import CrossModalFPN, DeformableTransformer, DynamicMaskHead
from mmlvs.models.losses import ReferFormerCriterion
from mmlvs.models.matchers import ClipMatcher
from mmlvs.models.segmentors import PerClipNetwork, ReferFormer, VideoSegmentor
from mmlvs.models.text_encoders import PretrainedTokenizer, RobertaTextEncoder, WordTokenizer

__all__ = [
    'ClipDataPreprocessor', 'ClipMatcher', 'CrossModalFPN', 'DeformableTransformer', 'DynamicMaskHead',
    'PerClipNetwork', 'PretrainedTokenizer', 'ReferFormer', 'ReferFormerCriterion', 'ResNetBackbone',
    'RobertaTextEncoder', 'SwinBackbone', 'VideoSegmentor', 'VideoSwinBackbone', 'WordTokenizer'
]
