"""One file a method."""

from mmlvs.models.segmentors.base import VideoSegmentor
from mmlvs.models.segmentors.per_clip_network import PerClipNetwork
from mmlvs.models.segmentors.referformer import ReferFormer

__all__ = ['PerClipNetwork', 'ReferFormer', 'VideoSegmentor']
