"""Loading the weights that ``init_cfg`` names: safely, strictly, and only in ``init_weights``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mmengine.logging import print_log
from torch import Tensor, nn

from mmlvs.io.checkpoint import CheckpointError
from mmlvs.io.conversion import OURS, Conversion, ConversionError, Rule, WeightFormat
from mmlvs.io.conversions.backbones import fit_bias_table
from mmlvs.io.weight_files import find_weights_file, read_weights
from mmlvs.registry import WEIGHT_INITIALIZERS


@WEIGHT_INITIALIZERS.register_module()
class PretrainedExcept:
    """Start from one of our files, but for the tensors named in ``skip``, which are left as they are.

    Args:
        checkpoint: file to start from.
        skip: regular expressions; tensors whose whole name matches one are not taken, though the file may hold them,
            in whatever shape. Each must match something.
        rename: names of the file -> names of the module, regular expressions and replacements for whole names (a part
            that starts as another one of the earlier network). Each must match something.
    """

    def __init__(self, *, checkpoint: str, skip: Sequence[str], rename: Mapping[str, str] | None = None) -> None:
        if isinstance(skip, str):
            raise TypeError(f'skip must be a list of regular expressions, found the single string {skip!r}')
        self.settings = dict(checkpoint=checkpoint, skip=list(skip), rename=dict(rename or {}))

    def __call__(self, module: nn.Module) -> None:
        """Fill ``module``."""
        load_pretrained(module, self.settings, OURS)


_KEYS = {'Pretrained': ({'type', 'checkpoint'}, set()),  # needed, allowed besides
         'PretrainedExcept': ({'type', 'checkpoint', 'skip'}, {'rename'})}


def check_init_cfg(init_cfg: dict | None) -> dict | None:
    """The settings themselves, if they are None, ``dict(type='Pretrained', checkpoint=path)`` or
    ``dict(type='PretrainedExcept', checkpoint=path, skip=[...])``, see :class:`PretrainedExcept`.

    Raises:
        ValueError: other settings; a random start needs no ``init_cfg``.
    """
    if init_cfg is None:
        return None
    needed, allowed = _KEYS.get(init_cfg.get('type'), ({''}, set()))
    if not needed <= set(init_cfg) <= needed | allowed or isinstance(init_cfg.get('skip', []), str):
        raise ValueError("init_cfg must be None (random start), dict(type='Pretrained', checkpoint='path/to/file') or "
                         "dict(type='PretrainedExcept', checkpoint='path/to/file', skip=['names.*']), with "
                         f"rename={{'theirs': 'ours'}} if names differ, found {dict(init_cfg)!r}")
    return init_cfg


def load_pretrained(module: nn.Module, init_cfg: Mapping[str, Any], form: WeightFormat) -> Conversion:
    """Fill a module from the file of its ``init_cfg``, and log what was taken, dropped and kept.

    Tables of relative positions of image windows of another size are resized, and repeated over time for video windows.

    Args:
        module: receives the weights.
        init_cfg: as for :func:`check_init_cfg`; the checkpoint may be a folder of transformers.
        form: names in the file.

    Returns:
        What was taken, dropped and kept.

    Raises:
        FileNotFoundError: the file does not exist.
        CheckpointError: the file is not data, or names or shapes do not fit.
    """
    path, owner = init_cfg['checkpoint'], type(module).__name__
    try:
        content = read_weights(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(f'{error}; {owner} needs it for its start. Fetch the file, or set init_cfg=None '
                                '(of a text encoder pretrained=None) to start from random weights') from error
    try:
        form = _renaming(form, content, init_cfg.get('rename') or {})
        result = form.convert(content, module.state_dict(), init_cfg.get('skip', ()), _fit(module))
    except ConversionError as error:
        raise CheckpointError(f'{path} does not fit {owner}: {error}') from error
    state = {name: value for name, value in result.state_dict.items() if name not in result.kept}
    module.load_state_dict(state, strict=False)  # what may be missing was checked
    print_log(f'{owner} starts from {find_weights_file(path)}: {result.summary()}', logger='current')
    return result


def _renaming(form: WeightFormat, content: Any, names: Mapping[str, str]) -> WeightFormat:
    """The format with further rules, tried before its own.

    Raises:
        ConversionError: a rule that no tensor of the file follows.
    """
    tensors, _ = form.tensors(content)
    for pattern in names:
        if not any(re.fullmatch(pattern, name) for name in tensors):
            raise ConversionError(f'rename {pattern!r} matches no tensor of the file, which has such as '
                                  f'{sorted(tensors)[:3]}')
    return replace(form, rules=(*(Rule(*pair) for pair in names.items()), *form.rules))


def _fit(module: nn.Module) -> Callable[[str, Tensor], Tensor]:
    """Brings tables of relative positions to the windows of a module."""
    def fit(name: str, value: Tensor) -> Tensor:
        owner, _, parameter = name.rpartition('.')
        if parameter != 'relative_position_bias_table':
            return value
        return fit_bias_table(value, module.get_submodule(owner).window)

    return fit
