"""Recorded cases of Isomer: fusion modules, head, whole networks, a training step, samples, maps."""

import importlib.util
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CASES = HERE.parent / 'data' / 'parity' / 'isomer'
NAMES = sorted(path.parent.name for path in CASES.glob('*/case.json'))


def _module(name, path):
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


def test_there_are_cases():
    assert len(NAMES) == 11


@pytest.mark.parametrize('dtype', ['float64', 'float32'])
@pytest.mark.parametrize('name', NAMES)
def test_case(name, dtype):
    parity = _module('parity', HERE / 'parity.py')
    case = parity.Case(CASES / name)
    adapter = _module('parity_adapter_isomer', HERE / 'adapters' / 'isomer.py')
    blind = case.blind()
    blind.case = 'under another name'  # handlers are found by the case's content
    report = case.compare(adapter.run(blind, dtype), dtype)
    assert set(report) == set(case.output_names)
    assert not {key: row for key, row in report.items() if not row[2]}
    if dtype == 'float64' and name not in ('preprocess', 'augment', 'postprocess', 'loss'):
        assert max(row[0] for row in report.values()) < 2e-7  # only the float32 storage of the records is left


def test_settings_that_nobody_knows_are_refused():
    parity = _module('parity', HERE / 'parity.py')
    adapter = _module('parity_adapter_isomer', HERE / 'adapters' / 'isomer.py')
    case = parity.Case(CASES / 'decoder').blind()
    case.settings = {**case.settings, 'align_corners': True}
    with pytest.raises(parity.UnknownCase, match='align_corners'):
        adapter.run(case, 'float64')
    case.kind = 'metric'
    with pytest.raises(parity.UnknownCase, match='decode_head'):
        adapter.run(case, 'float64')
