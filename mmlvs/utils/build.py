"""One way to make a sub-module: from its settings, or as it is."""

from typing import Any

from mmengine.registry import Registry

FOREIGN_SCOPES = ('mmdet', 'mmseg', 'mmpretrain')


def build(setting: Any, registry: Registry, **defaults: Any) -> Any:
    """Build a sub-module from a dict, or return an already built one.

    Args:
        setting: ``dict(type=..., ...)``, a built object, or None (gives None).
        registry: where the type is looked up.
        defaults: settings used where the dict is silent.

    Returns:
        The object. A type of another toolbox (``mmdet.ResNet``) has its scope written into every nested dict, so that
        the toolbox finds its own parts.

    Raises:
        TypeError: a dict without ``type``.
    """
    if setting is None or not isinstance(setting, dict):
        return setting
    if 'type' not in setting:
        raise TypeError(f'cannot build from {dict(setting)!r}: the key "type" is missing')
    setting = {**defaults, **setting}
    kind = setting['type']
    scope = kind.partition('.')[0] if isinstance(kind, str) else ''
    if scope in FOREIGN_SCOPES:
        _import_foreign(scope)
        setting = _with_scope(setting, scope)
    return registry.build(setting)


def _with_scope(value: Any, scope: str) -> Any:
    """Copy of nested settings with ``_scope_`` at every dict that has a type."""
    if isinstance(value, dict):
        out = {k: _with_scope(v, scope) for k, v in value.items()}
        if 'type' in out:
            out.setdefault('_scope_', scope)
        return out
    if isinstance(value, (list, tuple)):
        return type(value)(_with_scope(v, scope) for v in value)
    return value


def _import_foreign(scope: str) -> None:
    import importlib

    try:
        importlib.import_module(f'{scope}.models')
    except ImportError as error:
        raise ImportError(f'a component of "{scope}" is asked for, but {scope}.models cannot be imported ({error}); '
                          'install the full stack: pip install -r requirements/full.txt') from error
