"""Metrics that a config names."""

from mmlvs.evaluation.metrics.video_metric import VideoMetric

__all__ = ['VideoMetric']
