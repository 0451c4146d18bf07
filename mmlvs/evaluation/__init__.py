"""Scores: pure functions, thin metrics over them, and writers of results."""

from mmlvs.evaluation.evaluator import VideoEvaluator
from mmlvs.evaluation.metrics import (
    A2DMetric,
    IoUMetric,
    JFMetric,
    LongRVOSMetric,
    MeViSMetric,
    RefDavisMetric,
    ReVOSMetric,
    SaliencyMetric,
    VideoMetric,
)
from mmlvs.evaluation.writers import MeViSWriter, RefDavisWriter, RefYouTubeVOSWriter

__all__ = ['A2DMetric', 'IoUMetric', 'JFMetric', 'LongRVOSMetric', 'MeViSMetric', 'MeViSWriter', 'ReVOSMetric',
           'RefDavisMetric', 'RefDavisWriter', 'RefYouTubeVOSWriter', 'SaliencyMetric', 'VideoEvaluator', 'VideoMetric']
