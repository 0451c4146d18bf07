"""Networks: backbones, text encoders, decoders, losses, and the methods built from them."""

from mmlvs.models.backbones import (
    FrameBackbone,
    LanguageAwareSwin,
    MixTransformerBackbone,
    MMSegMixTransformer,
    ResNetBackbone,
    SwinBackbone,
    TimmNetwork,
    TwoStreamBackbone,
    VideoSwinBackbone,
)
from mmlvs.models.data_preprocessor import ClipDataPreprocessor
from mmlvs.models.decoders import (
    CrossModalFPN,
    DeformableTransformer,
    DynamicMaskHead,
    IsomerHead,
    LTSDecoder,
    TopDownMaskDecoder,
    VLTDecoder,
)
from mmlvs.models.layers import (
    CoAttention,
    CollectDiffuse,
    ContextSharingTransformer,
    PairedPixelWordAttention,
    PixelWordAttention,
    SemanticGatheringScatteringTransformer,
    SentenceProduct,
)
from mmlvs.models.losses import ClassCrossEntropy, ClassDice, ReferFormerCriterion, SaliencyCriterion
from mmlvs.models.matchers import ClipMatcher
from mmlvs.models.segmentors import LAVT, Isomer, LAVTVideo, PerClipNetwork, ReferFormer, VideoSegmentor
from mmlvs.models.text_encoders import BertTextEncoder, PretrainedTokenizer, RobertaTextEncoder, WordTokenizer

__all__ = [
    'LAVT', 'BertTextEncoder', 'ClassCrossEntropy', 'ClassDice', 'ClipDataPreprocessor', 'ClipMatcher', 'CoAttention',
    'CollectDiffuse', 'ContextSharingTransformer', 'CrossModalFPN', 'DeformableTransformer', 'DynamicMaskHead',
    'FrameBackbone', 'Isomer', 'IsomerHead', 'LAVTVideo', 'LTSDecoder', 'LanguageAwareSwin', 'MMSegMixTransformer',
    'MixTransformerBackbone', 'PairedPixelWordAttention', 'PerClipNetwork', 'PixelWordAttention', 'PretrainedTokenizer',
    'ReferFormer', 'ReferFormerCriterion', 'ResNetBackbone', 'RobertaTextEncoder', 'SaliencyCriterion',
    'SemanticGatheringScatteringTransformer', 'SentenceProduct', 'SwinBackbone', 'TimmNetwork', 'TopDownMaskDecoder',
    'TwoStreamBackbone', 'VLTDecoder', 'VideoSegmentor', 'VideoSwinBackbone', 'WordTokenizer'
]
