"""Scores: pure functions, thin metrics over them, and writers of results."""

from mmlvs.evaluation.evaluator import VideoEvaluator
from mmlvs.evaluation.metrics import JFMetric, VideoMetric
from mmlvs.evaluation.writers import RefDavisWriter, RefYouTubeVOSWriter

__all__ = ['JFMetric', 'RefDavisWriter', 'RefYouTubeVOSWriter', 'VideoEvaluator', 'VideoMetric']
