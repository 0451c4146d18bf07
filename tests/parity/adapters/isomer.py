"""Isomer: one adapter made of the parts beside it, each with its own cases."""
import importlib.util
from pathlib import Path

from parity import UnknownCase

PARTS = ('network', 'data')


def _load(part: str):
    path = Path(__file__).with_name(f'_isomer_{part}.py')
    spec = importlib.util.spec_from_file_location(f'parity_adapter_isomer_{part}', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(case, dtype: str) -> dict:
    """Outputs of a case by the handler that knows what it holds; its folder's name plays no part.

    Raises:
        UnknownCase: no part knows the case.
    """
    known = []
    for part in PARTS:
        module = _load(part)
        name = module.claims(case)
        if name is not None:
            return module.HANDLERS[name](case, dtype)
        known += module.HANDLERS
    raise UnknownCase(f'no part of the Isomer adapter knows case {case.case!r} of kind {case.kind!r} with inputs '
                      f'{sorted(case.inputs)[:6]}; known: {known}')
