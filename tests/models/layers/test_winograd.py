"""Convolution by tiles is the convolution."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlvs.models.layers import winograd
from mmlvs.models.layers.winograd import TiledKernel, convolve_clip_by_tiles, number_of_tiles, tiles_are_faster

sides = st.integers(1, 23)


@settings(max_examples=60, deadline=None)
@given(number=st.integers(1, 3), channels=st.integers(1, 5), out=st.integers(1, 5), height=sides, width=sides,
       at_once=st.integers(1, 9), with_bias=st.booleans(), seed=st.integers(0, 99))
def test_any_size(number, channels, out, height, width, at_once, with_bias, seed):
    torch.manual_seed(seed)
    x = torch.randn(number, channels, height, width, dtype=torch.float64)
    weight, bias = torch.randn(out, channels, 3, 3).double(), torch.randn(out).double() if with_bias else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, 'TILES_AT_ONCE', at_once)
        patch.setattr(winograd, 'CHANNELS_AT_ONCE', 2)
        torch.testing.assert_close(TiledKernel(weight)(x, bias), F.conv2d(x, weight, bias, padding=1),
                                   rtol=1e-10, atol=1e-10)


@settings(max_examples=40, deadline=None)
@given(batch=st.integers(1, 2), time=st.integers(1, 5), channels=st.integers(1, 5), out=st.integers(1, 5), height=sides,
       width=sides, taps=st.sampled_from([1, 3]), at_once=st.integers(1, 60), seed=st.integers(0, 99))
def test_any_clip(batch, time, channels, out, height, width, taps, at_once, seed):
    torch.manual_seed(seed)
    x, weight, bias = (torch.randn(*shape, dtype=torch.float64) for shape in (
        (batch, time, height, width, channels), (out, channels, taps, 3, 3), (out, )))
    want = F.conv3d(x.permute(0, 4, 1, 2, 3), weight, bias, padding=(taps // 2, 1, 1)).permute(0, 2, 3, 4, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, 'CLIP_TILES_AT_ONCE', at_once)
        patch.setattr(winograd, 'CHANNELS_AT_ONCE', 2)
        torch.testing.assert_close(convolve_clip_by_tiles(x, weight, bias), want, rtol=1e-10, atol=1e-10)


def test_rounding_is_that_of_the_sliding_kernel():
    torch.manual_seed(0)
    x, weight = torch.randn(1, 256, 32, 44).relu(), torch.randn(130, 256, 3, 3) / 48
    want = F.conv2d(x.double(), weight.double(), padding=1)
    errors = [(y - want).abs().max() for y in (TiledKernel(weight)(x), F.conv2d(x, weight, padding=1))]
    assert errors[0] < 3 * errors[1]


@pytest.mark.parametrize(('change', 'taken'), [
    ({}, True), (dict(channels=127), False), (dict(out=100), False), (dict(size=(24, 24)), False),
    (dict(dtype=torch.bfloat16), False), (dict(grad=True), False), (dict(dtype=torch.float64), True)])
def test_where_tiles_are_taken(change, taken):
    case = dict(channels=128, out=128, size=(28, 28), dtype=torch.float32, grad=False) | change
    x = torch.empty(1, case['channels'], *case['size'], dtype=case['dtype'])
    weight = torch.empty(case['out'], case['channels'], 3, 3, dtype=case['dtype'])
    with torch.set_grad_enabled(case['grad']):
        assert tiles_are_faster(x, weight, number_of_tiles(*case['size']), winograd.LEAST_TILES) == taken
