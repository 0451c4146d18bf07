"""Recorded cases of LAVT: networks, modules, losses, training steps, weights, data."""

import importlib.util
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CASES = HERE.parent / 'data' / 'parity' / 'lavt'
NAMES = sorted(path.parent.name for path in CASES.glob('*/case.json'))


def _module(name, path):
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


def test_there_are_cases():
    assert len(NAMES) == 22


@pytest.mark.parametrize('dtype', ['float64', 'float32'])
@pytest.mark.parametrize('name', NAMES)
def test_case(name, dtype):
    case = _module('parity', HERE / 'parity.py').Case(CASES / name)
    adapter = _module('parity_adapter_lavt', HERE / 'adapters' / 'lavt.py')
    if dtype == 'float32' and case.kind == 'train_step':
        pytest.skip('recorded for float64 alone')
    report = case.compare(adapter.run(case.blind(), dtype), dtype)
    assert set(report) == set(case.output_names)
    assert not {key: row for key, row in report.items() if not row[2]}
    if dtype == 'float64':  # only the float32 storage of the records is left
        assert max(row[0] for row in report.values()) < 3e-7
