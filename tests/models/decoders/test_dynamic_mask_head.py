import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlvs.models.decoders import DynamicMaskHead
from mmlvs.models.decoders.dynamic_mask_head import aligned_upsample


def _convolve(params, features, centre, size, head):
    """One query: its convolutions run one after another on features and relative coordinates."""
    h, w = features.shape[-2:]
    x = features
    if head.relative_coordinates:
        y, col = torch.meshgrid(torch.arange(h), torch.arange(w), indexing='ij')
        rel_x = centre[0] * size[1] - (head.stride * col + head.stride // 2)
        rel_y = centre[1] * size[0] - (head.stride * y + head.stride // 2)
        x = torch.cat([features, rel_x[None] * head.coordinate_scale, rel_y[None] * head.coordinate_scale])
    weights = params.split([o * i for o, i in head.weight_shapes] + [o for o, _ in head.weight_shapes])
    count = len(head.weight_shapes)
    for i, (out, width) in enumerate(head.weight_shapes):
        x = F.conv2d(x[None], weights[i].view(out, width, 1, 1), weights[count + i])[0]
        x = F.relu(x) if i + 1 < count else x
    return x[0]


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
    params = head.controller(states)
    for i in range(2):
        for e in range(2):
            for t in range(3):
                for q in range(4):
                    want = _convolve(params[i, e, t, q], features[e, t], centres[i, e, t, q], sizes[e].double(), head)
                    torch.testing.assert_close(got[i, e, t, q], want, rtol=1e-9, atol=1e-9)


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
