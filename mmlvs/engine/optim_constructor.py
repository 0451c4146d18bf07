"""Parameter groups whose patterns must match something."""

import torch
from mmengine.model import is_model_wrapper
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper

from mmlvs.registry import OPTIM_WRAPPER_CONSTRUCTORS


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class StrictOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """mmengine's constructor (``paramwise_cfg``, ``custom_keys``), except that a key in ``custom_keys`` which occurs
    in no
    parameter name is an error: a misspelt one would silently train with the wrong rate.
    """

    def __call__(self, model: torch.nn.Module) -> OptimWrapper:
        """Build the optimiser wrapper.

        Raises:
            ValueError: a key of ``custom_keys`` matches no parameter.
        """
        bare = model.module if is_model_wrapper(model) else model
        names = [name for name, _ in bare.named_parameters()]
        unmatched = [key for key in self.paramwise_cfg.get('custom_keys', {}) if not any(key in name for name in names)]
        if unmatched:
            tops = sorted({name.split('.')[0] for name in names})
            raise ValueError(f'paramwise_cfg.custom_keys: {unmatched} match no parameter; '
                             f'the parts of this model are {tops}')
        return super().__call__(model)
