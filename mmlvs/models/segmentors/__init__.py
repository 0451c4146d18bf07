"""One file a method."""

from mmlvs.models.segmentors.base import VideoSegmentor
from mmlvs.models.segmentors.referformer import ReferFormer

__all__ = ['ReferFormer', 'VideoSegmentor']
