"""One file a method."""

from mmlvs.models.segmentors.base import VideoSegmentor

__all__ = ['VideoSegmentor']
