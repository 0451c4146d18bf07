"""Naming rules for the weights of other projects, one module an origin, which lists its formats in ``FORMATS``."""

import importlib
import pkgutil

from mmlvs.io.conversion import WeightFormat


def formats() -> dict[str, WeightFormat]:
    """All formats by name: those in ``FORMATS`` of the modules of this package.

    Raises:
        ValueError: two formats have one name.
    """
    found: dict[str, WeightFormat] = {}
    for entry in pkgutil.iter_modules(__path__):
        for row in getattr(importlib.import_module(f'{__name__}.{entry.name}'), 'FORMATS', ()):
            if row.name in found:
                raise ValueError(f'two formats are named {row.name!r}; the second is in {__name__}.{entry.name}')
            found[row.name] = row
    return found
