"""Hooks: clip state, random numbers, vocabulary, pictures, missed validation, stages of a training."""

from mmlvs.engine.hooks.clip_state_hook import ClipStateHook
from mmlvs.engine.hooks.missed_validation_hook import MissedValidationHook
from mmlvs.engine.hooks.random_state_hook import RandomStateHook
from mmlvs.engine.hooks.stage_hook import StageCheckpointHook, WholeCheckpointHook
from mmlvs.engine.hooks.visualization_hook import ClipVisualizationHook
from mmlvs.engine.hooks.vocabulary_hook import VocabularyHook

__all__ = [
    'ClipStateHook', 'ClipVisualizationHook', 'MissedValidationHook', 'RandomStateHook', 'StageCheckpointHook',
    'VocabularyHook', 'WholeCheckpointHook'
]
