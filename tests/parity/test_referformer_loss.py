"""Recorded cases of ReferFormer's matching, losses, training step and post-processing."""

import importlib.util
from pathlib import Path

import pytest
from parity import Case

HERE = Path(__file__).parent
CASES = HERE.parent / 'data' / 'parity' / 'referformer'
NAMES = ('matcher_criterion_binary', 'matcher_criterion_65_classes', 'tiny_resnet_loss', 'postprocessors',
         'inference_ytvos', 'inference_davis')


@pytest.fixture(scope='module')
def adapter():
    path = HERE / 'adapters' / 'referformer.py'
    spec = importlib.util.spec_from_file_location('parity_adapter_referformer', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize('dtype', ['float64', 'float32'])
@pytest.mark.parametrize('name', NAMES)
def test_case(adapter, name, dtype):
    case = Case(CASES / name)
    blind = case.blind()
    blind.case = 'another_folder'  # the adapter finds its handler by the content of a case
    report = case.compare(adapter.run(blind, dtype), dtype)
    assert report and not {key: row for key, row in report.items() if not row[2]}
    if dtype == 'float64':  # only the float32 storage of the records is left; boxes are pixels there
        assert max(row[0] for key, row in report.items() if not key.startswith('boxes')) < 1e-7
