import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlvs.models.decoders import DynamicMaskHead
from mmlvs.models.decoders.dynamic_mask_head import aligned_upsample
from tests.plain.referformer import dynamic_masks


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), layers=st.integers(1, 4), relative=st.booleans(),
       scale=st.sampled_from([1.0, 1 / 64]))
def test_equals_one_convolution_after_another(seed, layers, relative, scale):
    torch.manual_seed(seed)
    head = DynamicMaskHead(query_channels=8, mask_channels=6, hidden_channels=3, num_layers=layers,
                           relative_coordinates=relative, coordinate_scale=scale).double()
    states = torch.randn(2, 2, 3, 4, 8).double()  # layers E T q C
    features, centres = torch.randn(2, 3, 6, 5, 7).double(), torch.rand(2, 2, 3, 4, 2).double()
    sizes = torch.tensor([[20.0, 27.0], [17.0, 28.0]])
    got = head(states, features, centres, sizes)
    for i in range(2):
        for e in range(2):
            want = dynamic_masks(head, states[i, e], features[e], centres[i, e], sizes[e].tolist())  # T q h w
            torch.testing.assert_close(got[i, e], want, rtol=1e-9, atol=1e-9)


def test_number_of_parameters_of_the_released_models():
    assert DynamicMaskHead().num_params == 2153


def test_coordinates_stay_exact_under_autocast():
    torch.manual_seed(0)
    head = DynamicMaskHead(query_channels=8, mask_channels=6, hidden_channels=3)
    states, features = torch.randn(1, 1, 1, 2, 8), torch.randn(1, 1, 6, 40, 60)
    centres, sizes = torch.rand(1, 1, 1, 2, 2), torch.tensor([[160.0, 240.0]])
    exact = head.masks(head.controller(states), features, centres, sizes)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        params = head.controller(states)
        got = head(states, features, centres, sizes)
    assert params.dtype == torch.bfloat16 and got.dtype == torch.float32
    torch.testing.assert_close(got, head.masks(params.float(), features, centres, sizes))
    assert (got - exact).abs().max() < 0.05 * exact.abs().max()


def test_errors():
    with pytest.raises(ValueError, match='mask_stride 3'):
        DynamicMaskHead(mask_stride=3)
    head = DynamicMaskHead(mask_channels=6)
    with pytest.raises(ValueError, match=f'this head needs {head.num_params}'):
        head.masks(torch.zeros(1, 1, 1, 1, 5), torch.zeros(1, 1, 6, 2, 2), torch.zeros(1, 1, 1, 1, 2), torch.ones(1, 2))


@given(factor=st.integers(1, 5), height=st.integers(1, 6), width=st.integers(1, 6))
def test_upsampling_puts_cells_on_their_pixels(factor, height, width):
    x = torch.randn(2, height, width, dtype=torch.float64)
    got = aligned_upsample(x, factor)
    assert got.shape == (2, factor * height, factor * width)
    torch.testing.assert_close(got[:, factor // 2::factor, factor // 2::factor], x)
    assert got.max() <= x.max() and got.min() >= x.min()


def test_upsampling_is_linear_between():
    ramp = torch.arange(5.0)[None].expand(4, 5)
    got = aligned_upsample(ramp, 4)[0]
    assert torch.allclose(got[2:18].diff(), torch.full((15, ), 0.25)) and not got[:2].any() and got[18:].eq(4).all()
    with pytest.raises(ValueError, match='factor 0'):
        aligned_upsample(ramp, 0)
