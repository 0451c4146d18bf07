"""Evaluation protocols of referring video segmentation, dispatched on ``settings.protocol``."""
import importlib.util
from pathlib import Path

from parity import UnknownCase


def _protocols() -> dict:
    found = {}
    for path in sorted(Path(__file__).parent.glob('_metrics_rvos_*.py')):
        spec = importlib.util.spec_from_file_location(f'parity_adapter{path.stem}', path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found |= module.PROTOCOLS
    return found


def run(case, dtype: str) -> dict:
    """Outputs of one case.

    Raises:
        UnknownCase: the protocol is not known.
    """
    protocols = _protocols()
    protocol = case.settings.get('protocol')
    if protocol not in protocols:
        raise UnknownCase(f'protocol {protocol!r} of case {case.case!r}; known: {", ".join(sorted(protocols))}')
    return protocols[protocol](case, dtype)
