"""What runs a model: the Runners, the strategy of sharded training, hooks and optimiser wrappers."""

from mmlvs.engine.hooks import (
    ClipStateHook,
    ClipVisualizationHook,
    MissedValidationHook,
    RandomStateHook,
    StageCheckpointHook,
    VocabularyHook,
    WholeCheckpointHook,
)
from mmlvs.engine.optim_constructor import StrictOptimWrapperConstructor
from mmlvs.engine.optim_wrapper import BFloat16OptimWrapper
from mmlvs.engine.runner import Runner
from mmlvs.engine.schedulers import PolyIterationLR
from mmlvs.engine.strategy import FlexibleRunner, FSDPStrategy

__all__ = [
    'BFloat16OptimWrapper', 'ClipStateHook', 'ClipVisualizationHook', 'FSDPStrategy', 'FlexibleRunner',
    'MissedValidationHook', 'PolyIterationLR', 'RandomStateHook', 'Runner', 'StageCheckpointHook',
    'StrictOptimWrapperConstructor', 'VocabularyHook', 'WholeCheckpointHook'
]
