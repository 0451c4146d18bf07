"""A convolution of a resized map is the same on the coarse grid."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlvs.models.decoders.top_down_mask_decoder import ConvBNReLU
from mmlvs.models.layers import resized_convolution
from mmlvs.models.layers.resized_convolution import add_resized_convolution, convolve_then_resize, resize_aligned

sides = st.integers(1, 9)


@settings(max_examples=40, deadline=None)
@given(h=sides, w=sides, more_h=sides, more_w=sides, number=st.integers(1, 3), seed=st.integers(0, 99))
def test_both_orders_agree(h, w, more_h, more_w, number, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(number, 5, h, w, generator=generator, dtype=torch.float64)
    weight = torch.randn(70, 5, 3, 3, generator=generator, dtype=torch.float64)
    size = (h + more_h, w + more_w)
    want = F.conv2d(resize_aligned(x, size), weight, padding=1)
    torch.testing.assert_close(torch.cat(list(convolve_then_resize(x, weight, size)), dim=1), want)


@pytest.mark.parametrize('grad', [True, False])
@pytest.mark.parametrize('size', [(20, 20), (11, 12)])
def test_both_ways_are_added(size, grad):
    x, weight, y = torch.randn(2, 512, 10, 10), torch.randn(70, 512, 3, 3), torch.randn(2, 70, *size)
    with torch.set_grad_enabled(grad):
        want = y + F.conv2d(resize_aligned(x, size), weight, padding=1)
        torch.testing.assert_close(add_resized_convolution(y.clone(), x, weight), want, rtol=1e-4, atol=1e-3)


def test_gradients_agree():
    x = torch.randn(2, 4, 3, 5, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(6, 4, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b: next(convolve_then_resize(a, b, (7, 9))), (x, weight))


def test_the_coarse_grid_is_taken_where_it_is_cheaper(monkeypatch):
    taken = []
    monkeypatch.setattr(resized_convolution, 'convolve_then_resize', lambda *args: taken.append(args) or [])
    x, weight = torch.ones(1, 512, 10, 10), torch.ones(8, 512, 3, 3)
    with torch.no_grad():
        add_resized_convolution(torch.zeros(1, 8, 20, 20), x, weight)
        assert len(taken) == 1
        for size in ((10, 10), (11, 11)):
            assert add_resized_convolution(torch.zeros(1, 8, *size), x, weight).amax() > 0
    assert len(taken) == 1


@pytest.mark.parametrize('training', [True, False])
def test_coarse_channels_come_first(training):
    """The block is its three parts on the concatenated maps; fixed statistics included."""
    block = ConvBNReLU(in_channels=7, out_channels=6).double().train(training)
    for tensor in (block[1].weight, block[1].running_var):
        torch.nn.init.uniform_(tensor, 0.5, 2)
    torch.nn.init.normal_(block[1].running_mean)
    coarse, fine = torch.randn(2, 4, 3, 4, dtype=torch.float64), torch.randn(2, 3, 6, 7, dtype=torch.float64)
    whole = torch.cat([resize_aligned(coarse, (6, 7)), fine], dim=1)
    conv, norm, relu = block
    torch.testing.assert_close(block(fine, coarse=coarse), relu(norm(conv(whole))))
    torch.testing.assert_close(block(whole), relu(norm(conv(whole))))
