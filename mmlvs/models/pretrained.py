"""Loading the weights that ``init_cfg`` names: safely, strictly, and only in ``init_weights``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from mmlvs.io.checkpoint import CheckpointError, load_checkpoint_file


def check_init_cfg(init_cfg: dict | None) -> dict | None:
    """The settings themselves, if they are None or ``dict(type='Pretrained', checkpoint=path)``.

    Raises:
        ValueError: other settings; a random start needs no ``init_cfg``.
    """
    if init_cfg is None:
        return None
    if set(init_cfg) != {'type', 'checkpoint'} or init_cfg['type'] != 'Pretrained':
        raise ValueError("init_cfg must be None (random start) or dict(type='Pretrained', checkpoint='path/to/file'), "
                         f'found {dict(init_cfg)!r}')
    return init_cfg


def load_pretrained(
    module: nn.Module,
    init_cfg: Mapping[str, Any],
    adapt: Callable[[Mapping[str, Any]], dict[str, Tensor]],
    *,
    may_miss: str = '',
) -> list[str]:
    """Fill a module from the file of its ``init_cfg``.

    Args:
        module: receives the weights.
        init_cfg: ``dict(type='Pretrained', checkpoint=path)``.
        adapt: turns the content of the file into a state dict with our names.
        may_miss: regular expression of names that the file need not hold; they keep their values.

    Returns:
        list[str]: names that kept their values.

    Raises:
        FileNotFoundError: the file does not exist.
        CheckpointError: the file is not data, or names or shapes do not fit.
    """
    path = init_cfg['checkpoint']
    try:
        checkpoint = load_checkpoint_file(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(f'{error}; {type(module).__name__} needs it for its start. Fetch the file, or set '
                                'init_cfg=None to start from random weights') from error
    state = adapt(checkpoint)
    own = module.state_dict()
    missing = [k for k in own if k not in state and not k.endswith('num_batches_tracked')]
    problems = [f'missing: {k} {tuple(own[k].shape)}' for k in missing if not re.fullmatch(may_miss, k)]
    problems += [f'not known: {k} {tuple(v.shape)}' for k, v in state.items() if k not in own]
    problems += [f'shape of {k}: expected {tuple(own[k].shape)}, found {tuple(v.shape)}'
                 for k, v in state.items() if k in own and v.shape != own[k].shape]
    if problems:
        shown = '\n  '.join(problems[:10])
        more = f'\n  and {len(problems) - 10} more' if len(problems) > 10 else ''
        raise CheckpointError(f'{path} does not fit {type(module).__name__}; is it the file of another size or kind of '
                              f'network?\n  {shown}{more}')
    module.load_state_dict(state, strict=False)  # what may be missing was checked above
    return missing
