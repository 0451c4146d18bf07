"""ReferFormer: one adapter made of the parts beside it, each with its own cases."""
import importlib.util
from pathlib import Path

from parity import UnknownCase

PARTS = ('backbone', 'network', 'loss', 'data', 'metrics')


def _load(part: str):
    path = Path(__file__).with_name(f'_referformer_{part}.py')
    if not path.is_file():
        return None
    spec = importlib.util.spec_from_file_location(f'parity_adapter_referformer_{part}', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(case, dtype: str) -> dict:
    """Outputs of a case by the part whose handler bears its name, or that claims it by its content.

    Raises:
        UnknownCase: no part knows the case.
    """
    broken, missing, modules = [], [], []
    for part in PARTS:
        try:
            module = _load(part)
        except Exception as error:  # a part that cannot be read must not hide the cases of the others
            broken.append(f'{part} cannot be loaded ({type(error).__name__}: {error})')
            continue
        if module is None:
            missing.append(part)
        else:
            modules.append(module)
    for module in modules:
        if case.case in module.HANDLERS:
            return module.HANDLERS[case.case](case, dtype)
    for module in modules:
        name = module.claims(case) if hasattr(module, 'claims') else None
        if name is not None:
            return module.HANDLERS[name](case, dtype)
    known = sorted(name for module in modules for name in module.HANDLERS)
    reason = f'no part of the ReferFormer adapter knows case {case.case!r} of kind {case.kind!r}; known: {known}'
    if missing:
        reason += f'; parts not there: {missing}'
    raise UnknownCase('; '.join([reason, *broken]))
