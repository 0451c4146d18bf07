"""Recorded cases of ReferFormer's data rules and frame preprocessing."""

import importlib.util
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CASES = HERE.parent / 'data' / 'parity' / 'referformer'


def _module(name, path):
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.mark.parametrize('dtype', ['float64', 'float32'])
@pytest.mark.parametrize('name', ['data_rules', 'preprocess'])
def test_case(name, dtype):
    case = _module('parity', HERE / 'parity.py').Case(CASES / name)
    adapter = _module('parity_adapter_referformer_data', HERE / 'adapters' / '_referformer_data.py')
    assert adapter.claims(case) == name
    report = case.compare(adapter.HANDLERS[name](case.blind(), dtype), dtype)
    assert report and not {key: row for key, row in report.items() if not row[2]}


def test_does_not_claim_other_cases():
    adapter = _module('parity_adapter_referformer_data', HERE / 'adapters' / '_referformer_data.py')
    case = _module('parity', HERE / 'parity.py').Case(CASES / 'preprocess').blind()
    case.kind, case.inputs = 'network', {'video0': None}
    assert adapter.claims(case) is None
