"""Evaluation protocols of referring video segmentation, dispatched on ``settings.protocol``."""
import importlib.util
from pathlib import Path

from parity import UnknownCase


def _protocols() -> tuple[dict, list[str]]:
    """Handlers of the parts beside this file, and what is wrong with parts that cannot be loaded."""
    found, broken = {}, []
    for path in sorted(Path(__file__).parent.glob('_metrics_rvos_*.py')):
        spec = importlib.util.spec_from_file_location(f'parity_adapter{path.stem}', path)
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except Exception as error:  # a part that cannot be read must not hide the cases of the others
            broken.append(f'{path.stem} cannot be loaded ({type(error).__name__}: {error})')
        else:
            found |= module.PROTOCOLS
    return found, broken


def run(case, dtype: str) -> dict:
    """Outputs of one case.

    Raises:
        UnknownCase: the protocol is not known.
    """
    protocols, broken = _protocols()
    protocol = case.settings.get('protocol')
    if protocol not in protocols:
        known = f'protocol {protocol!r} of case {case.case!r}; known: {", ".join(sorted(protocols))}'
        raise UnknownCase('; '.join([known, *broken]))
    return protocols[protocol](case, dtype)
