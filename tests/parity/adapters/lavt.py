"""LAVT: one adapter made of the parts beside it, each with its own cases."""
import importlib.util
from pathlib import Path

from parity import UnknownCase

PARTS = ('network', 'modules', 'training', 'data')


def _load(part: str):
    path = Path(__file__).with_name(f'_lavt_{part}.py')
    spec = importlib.util.spec_from_file_location(f'parity_adapter_lavt_{part}', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(case, dtype: str) -> dict:
    """Outputs of a case by the part that claims it by its content.

    Raises:
        UnknownCase: no part knows the case.
    """
    broken = []
    for part in PARTS:
        try:
            module = _load(part)
        except Exception as error:  # a part that cannot be read must not hide the cases of the others
            broken.append(f'{part} cannot be loaded ({type(error).__name__}: {error})')
            continue
        handler = module.claims(case)
        if handler is not None:
            return handler(case, dtype)
    reason = f'no part of the LAVT adapter knows case {case.case!r} of kind {case.kind!r}'
    raise UnknownCase('; '.join([reason, *broken]))
