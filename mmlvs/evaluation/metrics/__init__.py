"""Metrics that a config names."""

from mmlvs.evaluation.metrics.jf_metric import JFMetric
from mmlvs.evaluation.metrics.video_metric import VideoMetric

__all__ = ['JFMetric', 'VideoMetric']
