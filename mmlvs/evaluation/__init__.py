"""Scores: pure functions, thin metrics over them, and writers of results."""

from mmlvs.evaluation.evaluator import VideoEvaluator
from mmlvs.evaluation.metrics import VideoMetric

__all__ = ['VideoEvaluator', 'VideoMetric']
