"""A convolution of a resized map is the same on the coarse grid."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlvs.models.decoders.top_down_mask_decoder import ConvBNReLU
from mmlvs.models.layers import resized_convolution
from mmlvs.models.layers.resized_convolution import convolve_resized, convolve_then_resize, resize_aligned

sides = st.integers(1, 9)


@settings(max_examples=40, deadline=None)
@given(h=sides, w=sides, more_h=sides, more_w=sides, number=st.integers(1, 3), seed=st.integers(0, 99))
def test_both_orders_agree(h, w, more_h, more_w, number, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(number, 5, h, w, generator=generator, dtype=torch.float64)
    weight = torch.randn(70, 5, 3, 3, generator=generator, dtype=torch.float64)
    size = (h + more_h, w + more_w)
    want = F.conv2d(resize_aligned(x, size), weight, padding=1)
    torch.testing.assert_close(convolve_then_resize(x, weight, size), want)


def test_gradients_agree():
    x = torch.randn(2, 4, 3, 5, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(6, 4, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b: convolve_then_resize(a, b, (7, 9)), (x, weight))


def test_the_coarse_grid_is_taken_where_it_is_cheaper(monkeypatch):
    taken = []
    monkeypatch.setattr(resized_convolution, 'convolve_then_resize', lambda *args: taken.append(args))
    convolve_resized(torch.zeros(1, 512, 10, 10), torch.zeros(8, 512, 3, 3), (20, 20))
    assert len(taken) == 1
    for size in ((10, 10), (11, 11)):
        assert convolve_resized(torch.ones(1, 512, 10, 10), torch.ones(8, 512, 3, 3), size).shape[-2:] == size
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
