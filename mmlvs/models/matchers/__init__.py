"""Matching of predictions to targets."""

from mmlvs.models.matchers.clip_matcher import ClipMatcher

__all__ = ['ClipMatcher']
