"""Parameter groups whose patterns must match something."""

import difflib
from collections.abc import Iterable

import torch
from mmengine.model import is_model_wrapper
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper

from mmlvs.registry import OPTIM_WRAPPER_CONSTRUCTORS

_SHARD = '_fsdp_wrapped_module'
_RULES = frozenset(('custom_keys', 'bias_lr_mult', 'bias_decay_mult', 'norm_decay_mult', 'dwconv_decay_mult',
                    'flat_decay_mult', 'dcn_offset_lr_mult', 'bypass_duplicate'))
_FACTORS = frozenset(('lr_mult', 'decay_mult'))


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class StrictOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """mmengine's constructor (``paramwise_cfg``, ``custom_keys``), except that a key in ``custom_keys`` which occurs in
    no parameter name is an error, and so is a rule or a factor that there is not: a misspelt one would silently train
    with the wrong rate. Names are those of the plain model, also where parts of it are sharded.
    """

    def __call__(self, model: torch.nn.Module) -> OptimWrapper:
        """Build the optimiser wrapper.

        Raises:
            ValueError: a key of ``custom_keys`` matches no parameter, or a rule or factor is unknown.
        """
        _check('paramwise_cfg', self.paramwise_cfg, _RULES)
        for key, factors in self.paramwise_cfg.get('custom_keys', {}).items():
            _check(f'paramwise_cfg.custom_keys.{key}', factors, _FACTORS)
        bare = model.module if is_model_wrapper(model) else model
        names = [_plain(name) for name, _ in bare.named_parameters()]
        unmatched = [key for key in self.paramwise_cfg.get('custom_keys', {}) if not any(key in name for name in names)]
        if unmatched:
            tops = sorted({name.split('.')[0] for name in names})
            raise ValueError(f'paramwise_cfg.custom_keys: {unmatched} match no parameter; '
                             f'the parts of this model are {tops}')
        return super().__call__(model)

    def add_params(self, params: list[dict], module: torch.nn.Module, prefix: str = '',
                   is_dcn_module: int | float | None = None) -> None:
        """Add the groups of a module's parameters, under its plain name."""
        super().add_params(params, module, prefix=_plain(prefix), is_dcn_module=is_dcn_module)


def _plain(name: str) -> str:
    return '.'.join(part for part in name.split('.') if part != _SHARD)


def _check(where: str, names: Iterable[str], known: frozenset[str]) -> None:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
            raise ValueError(f'{where} has no {name!r}; ' + (f'did you mean {near[0]!r}?' if near else
                                                             f'known: {", ".join(sorted(known))}'))
