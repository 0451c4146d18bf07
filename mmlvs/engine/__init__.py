"""What runs a model: the Runner and its hooks."""

from mmlvs.engine.hooks import ClipStateHook, ClipVisualizationHook, RandomStateHook, VocabularyHook
from mmlvs.engine.optim_constructor import StrictOptimWrapperConstructor
from mmlvs.engine.optim_wrapper import BFloat16OptimWrapper
from mmlvs.engine.runner import Runner

__all__ = [
    'BFloat16OptimWrapper', 'ClipStateHook', 'ClipVisualizationHook', 'RandomStateHook', 'Runner',
    'StrictOptimWrapperConstructor', 'VocabularyHook',
]
