"""Recorded cases of ReferFormer's matching, losses and post-processing."""

import importlib.util
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CASES = HERE.parent / 'data' / 'parity' / 'referformer'
NAMES = ('matcher_criterion_binary', 'matcher_criterion_65_classes', 'postprocessors', 'inference_ytvos',
         'inference_davis')


def _module(name, path):
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.mark.parametrize('dtype', ['float64', 'float32'])
@pytest.mark.parametrize('name', NAMES)
def test_case(name, dtype):
    case = _module('parity', HERE / 'parity.py').Case(CASES / name)
    adapter = _module('parity_adapter_referformer_loss', HERE / 'adapters' / '_referformer_loss.py')
    assert adapter.claims(case) == name
    report = case.compare(adapter.HANDLERS[name](case, dtype), dtype)
    assert report and not {key: row for key, row in report.items() if not row[2]}
