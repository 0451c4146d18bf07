"""Small reusable parts of networks, without a config of their own."""

from mmlvs.models.layers.feature_resizer import FeatureResizer
from mmlvs.models.layers.position_encoding import ClipPositionEncoding, FramePositionEncoding, TextPositionEncoding

__all__ = ['ClipPositionEncoding', 'FeatureResizer', 'FramePositionEncoding', 'TextPositionEncoding']
