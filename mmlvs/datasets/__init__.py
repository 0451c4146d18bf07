"""Annotation formats turned into items."""

from mmlvs.datasets.samplers import ClipIndex, ClipSampler, VideoSampler

__all__ = ['ClipIndex', 'ClipSampler', 'VideoSampler']
