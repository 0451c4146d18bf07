"""Recorded cases of ReferFormer's transformer, heads and whole network."""

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
@pytest.mark.parametrize('name', ['msdeform_attn', 'vl_modules', 'dynamic_mask_head', 'tiny_resnet', 'tiny_video_swin'])
def test_case(name, dtype):
    case = _module('parity', HERE / 'parity.py').Case(CASES / name)
    adapter = _module('parity_adapter_referformer_network', HERE / 'adapters' / '_referformer_network.py')
    handler = adapter.HANDLERS[adapter.claims(case.blind())]  # found by the case's content
    report = case.compare(handler(case.blind(), dtype), dtype)
    assert set(report) == set(case.output_names)
    assert not {key: row for key, row in report.items() if not row[2]}
    if dtype == 'float64':  # only the float32 storage of the records is left
        assert max(row[0] for row in report.values()) < 2e-7
