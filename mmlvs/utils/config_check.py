"""A misspelt key must fail, and the message must name the key that was meant."""

import difflib
import inspect
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config
from mmengine.registry import Registry
from mmengine.runner import Runner

# keys that mmengine's Config or build helpers understand everywhere
_ALWAYS = {'type', '_scope_', '_delete_'}
# keys of a data loader that Runner.build_dataloader takes out before torch's DataLoader sees the rest
_LOADER = {'dataset', 'sampler', 'batch_sampler', 'collate_fn', 'worker_init_fn', 'num_batch_per_epoch', 'batch_size',
           'num_workers', 'persistent_workers', 'pin_memory', 'drop_last', 'prefetch_factor', 'timeout',
           'disable_subprocess_warning'}
# keys of the optimiser wrapper that its constructor reads
_OPTIM_WRAPPER = {'constructor', 'paramwise_cfg'}
# key of a schedule that the Runner reads: epochs are counted in iterations
_SCHEDULER = {'convert_to_iter_based'}
_LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
# top-level keys that belong to mmengine's Config or Runner without being constructor arguments
_TOP_EXTRA = {'env_cfg', 'default_scope', 'sync_bn', 'find_unused_parameters', 'model_wrapper_cfg',
              'custom_imports', 'tta_model', 'compile'}


# dicts without type, whose reader is no class of a registry
_PLAIN = {
    'env_cfg': {'cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'},
    'env_cfg.mp_cfg': {'mp_start_method', 'opencv_num_threads'},
    'env_cfg.dist_cfg': {'backend', 'init_backend', 'timeout', 'init_method', 'port'},
    'randomness': {'seed', 'diff_rank_seed', 'deterministic'},
    'optim_wrapper.clip_grad': {'type', 'max_norm', 'norm_type', 'clip_value', 'error_if_nonfinite', 'foreach'},
}


class ConfigKeyError(KeyError):
    """A key of a config that nobody understands."""

    def __str__(self) -> str:
        return str(self.args[0])


def check_config(cfg: Config) -> None:
    """Check every key of a config against what the classes accept.

    * top-level names must be arguments of the Runner or be declared in a list ``_vars_`` (``_vars_runtime_`` …);
    * every dict with a ``type`` that a registry knows may hold only arguments of that constructor;
    * dicts without ``type`` (environment, random numbers, clipping of gradients, codecs) hold only what is read;
    * a default hook without ``type`` must be one of the base's.

    Args:
        cfg: a loaded config.

    Raises:
        ConfigKeyError: with the path of each unknown key and the nearest known one.
    """
    problems = list(_top_level(cfg))
    declared = declared_names(cfg)
    for name, value in cfg.items():
        if name not in declared and not name.startswith('_vars_'):
            problems += _nested(value, name)
    if problems:
        raise ConfigKeyError('unknown keys in the config:\n  ' + '\n  '.join(problems))


def declared_names(cfg: Config) -> set[str]:
    """Names of plain variables: all lists ``_vars_`` and ``_vars_<file>_`` (each base file needs a name of its own)."""
    return {name for key, names in cfg.items() if key.startswith('_vars_') for name in names}


def _top_level(cfg: Config) -> Iterator[str]:
    known = set(inspect.signature(Runner.__init__).parameters) - {'self', 'cfg'} | _TOP_EXTRA
    known |= {'runner_type', 'strategy'} if 'runner_type' in cfg else {'runner_type'}
    declared = declared_names(cfg)
    for name in cfg.keys():
        if name not in known | declared and not name.startswith('_vars_'):
            yield _message(name, name, known | declared, 'the Runner (or declare it in _vars_)')
    for name in _LOADERS:
        loader = cfg.get(name) or {}
        for key in loader:
            if key not in _LOADER:
                yield _message(f'{name}.{key}', key, _LOADER, 'a data loader')


def _nested(value: Any, path: str) -> list[str]:
    if isinstance(value, (list, tuple)):
        return [p for i, v in enumerate(value) for p in _nested(v, f'{path}[{i}]')]
    if not isinstance(value, dict):
        return []
    problems = []
    plain = _PLAIN.get(path) or (_codec_keys() if path.endswith('.codec') and 'type' not in value else None)
    if plain:
        problems += [_message(f'{path}.{key}', key, plain, path) for key in value if key not in plain | _ALWAYS]
    if path == 'default_hooks':
        named = {name for name, hook in value.items() if hook is None or not isinstance(hook, dict) or 'type' in hook}
        problems += [_message(f'{path}.{name}', name, named, 'the base (a new hook needs a type), whose default_hooks')
                     for name in value if name not in named]
    target = _resolve(value.get('type'))
    if target is not None:
        known, open_ended = accepted_keys(target)
        if path == 'optim_wrapper':
            known = known | _OPTIM_WRAPPER
        if path.startswith('param_scheduler'):
            known = known | _SCHEDULER
        if not open_ended:
            problems += [_message(f'{path}.{key}', key, known, target.__name__)
                         for key in value if key not in known | _ALWAYS]
    for key, inner in value.items():
        problems += _nested(inner, f'{path}.{key}')
    return problems


def accepted_keys(target: Any) -> tuple[set[str], bool]:
    """Arguments that a class or function accepts, through ``**kwargs`` up its bases, and whether anything goes.

    Args:
        target: a class or a function.

    Returns:
        ``(names, open_ended)``; ``open_ended`` when a ``**kwargs`` is left whose reader is not known.
    """
    if not inspect.isclass(target):
        parameters = inspect.signature(target).parameters.values()
        return ({p.name for p in parameters}, any(p.kind is p.VAR_KEYWORD for p in parameters))
    names: set[str] = set()
    for cls in target.__mro__:
        init = cls.__dict__.get('__init__')
        if init is None:
            continue
        if not inspect.isfunction(init):
            return names, cls is not object
        parameters = list(inspect.signature(init).parameters.values())[1:]
        names |= {p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            return names, False
    return names, True


def _codec_keys() -> set[str]:
    return accepted_keys(_resolve('ClipCodec'))[0]


def _resolve(kind: Any) -> Any:
    """The class behind a ``type`` of ours or mmengine's; None for other toolboxes and for names that no registry
    has."""
    if kind is None:
        return None
    if not isinstance(kind, str):
        return kind if callable(kind) else None
    scope, _, _name = kind.rpartition('.')
    if scope not in ('', 'mmlvs', 'mmengine'):
        return None
    from mmlvs import registry as ours

    for registry in vars(ours).values():
        if isinstance(registry, Registry) and registry.scope == ours.SCOPE:
            registry.import_from_location()
            found = registry.get(kind)
            if found is not None:
                return found
    return None


def _message(path: str, key: str, known: set[str], owner: str) -> str:
    near = difflib.get_close_matches(key, sorted(known), n=1, cutoff=0.5)
    hint = f'did you mean {near[0]!r}?' if near else f'known: {", ".join(sorted(known - _ALWAYS))}'
    return f'{path}: {owner} has no {key!r}; {hint}'
