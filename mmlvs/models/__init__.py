"""Networks: backbones, text encoders, decoders, losses, and the methods built from them."""

from mmlvs.models.data_preprocessor import ClipDataPreprocessor
from mmlvs.models.losses import ReferFormerCriterion
from mmlvs.models.matchers import ClipMatcher
from mmlvs.models.segmentors import VideoSegmentor

__all__ = ['ClipDataPreprocessor', 'ClipMatcher', 'ReferFormerCriterion', 'VideoSegmentor']
