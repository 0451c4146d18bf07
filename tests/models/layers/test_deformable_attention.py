import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlvs.models.layers import blocks, deformable_attention
from mmlvs.models.layers.deformable_attention import DeformableAttention, compiled_kernel, sample_and_weight

SHAPES = [(5, 7), (3, 4)]


def _by_hand(value, shapes, locations, weights):
    """Bilinear sampling written out, one sample at a time."""
    n, _, heads, d = value.shape
    queries, levels, points = locations.shape[1], locations.shape[3], locations.shape[4]
    out = torch.zeros(n, queries, heads, d, dtype=value.dtype)
    start = 0
    for level in range(levels):
        h, w = shapes[level]
        maps = value[:, start:start + h * w].view(n, h, w, heads, d)
        start += h * w
        for b in range(n):
            for q in range(queries):
                for head in range(heads):
                    for p in range(points):
                        x = float(locations[b, q, head, level, p, 0]) * w - 0.5
                        y = float(locations[b, q, head, level, p, 1]) * h - 0.5
                        for row in (math.floor(y), math.floor(y) + 1):
                            for col in (math.floor(x), math.floor(x) + 1):
                                if 0 <= row < h and 0 <= col < w:
                                    share = (1 - abs(y - row)) * (1 - abs(x - col))
                                    weight = share * weights[b, q, head, level, p]
                                    out[b, q, head] += weight * maps[b, row, col, head]
    return out.flatten(2)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), heads=st.integers(1, 3), points=st.integers(1, 3))
def test_sampling_equals_bilinear_interpolation_by_hand(seed, heads, points):
    torch.manual_seed(seed)
    value = torch.randn(2, 47, heads, 4, dtype=torch.float64)
    locations = torch.rand(2, 3, heads, 2, points, 2, dtype=torch.float64) * 1.6 - 0.3  # some outside
    weights = torch.rand(2, 3, heads, 2, points, dtype=torch.float64)
    got = sample_and_weight(value, SHAPES, locations, weights)
    torch.testing.assert_close(got, _by_hand(value, SHAPES, locations, weights), rtol=0, atol=1e-12)


def _layer(**settings):
    torch.manual_seed(0)
    layer = DeformableAttention(channels=16, num_heads=4, num_levels=2, num_points=3, **settings).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return layer


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), numbers=st.sampled_from((2, 4)), queries=st.integers(1, 30), padded=st.booleans(),
       shapes=st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=2, max_size=2))
def test_looking_up_equals_sampling(seed, numbers, queries, padded, shapes):
    """Without gradient a CPU looks rows of a table up; places at, beyond and far from every border included."""
    layer = _layer()
    torch.manual_seed(seed)
    tokens = sum(h * w for h, w in shapes)
    query, source = torch.randn(2, queries, 16).double(), torch.randn(2, tokens, 16).double()
    references = torch.rand(2, queries, 2, numbers).double() * 2 - 0.5
    references[0, 0], references[1, -1] = 1, -1e7
    padding = torch.rand(2, tokens) < 0.3 if padded else None
    want = layer(query, references, source, shapes, padding)
    with torch.no_grad():
        got = layer(query, references, source, shapes, padding)
        torch.testing.assert_close(got, want.detach(), rtol=0, atol=1e-12)
        query[1, 0] = torch.nan
        assert layer(query, references, source, shapes, padding).isnan().any(dim=-1).sum() == 1, 'of that query alone'


def test_start_is_a_ring_of_directions_with_growing_radius():
    layer = DeformableAttention(channels=16, num_heads=8, num_levels=2, num_points=3)
    offsets = layer.sampling_offsets.bias.detach().view(8, 2, 3, 2)
    assert torch.allclose(offsets.abs().amax(-1)[0, 0], torch.tensor([1.0, 2.0, 3.0]))  # radius = point + 1
    assert torch.allclose(offsets[:, 0, 0].sum(0), torch.zeros(2), atol=1e-6)  # directions cancel
    assert torch.allclose(offsets[1, 0, 0], torch.ones(2))  # 45 degrees reaches the corner
    assert not layer.sampling_offsets.weight.any() and not layer.attention_weights.weight.any()


def test_weights_sum_to_one_over_levels_and_points():
    _, weights = _layer().locate(torch.randn(2, 5, 16).double(), torch.rand(2, 5, 2, 2).double(), SHAPES)
    torch.testing.assert_close(weights.sum((3, 4)), torch.ones(2, 5, 4).double())


def test_offsets_are_pixels_for_points_and_parts_of_the_box_for_boxes():
    layer, query = _layer(), torch.randn(1, 5, 16).double()
    offsets = layer.sampling_offsets(query).view(1, 5, 4, 2, 3, 2)
    points = torch.rand(1, 5, 2, 2).double()
    locations, _ = layer.locate(query, points, SHAPES)
    moved = (locations - points[:, :, None, :, None]) * torch.tensor([(7.0, 5.0), (4.0, 3.0)]).double()[:, None]
    torch.testing.assert_close(moved, offsets)
    boxes = torch.rand(1, 5, 2, 4).double()
    locations, _ = layer.locate(query, boxes, SHAPES)
    centre, size = boxes[:, :, None, :, None, :2], boxes[:, :, None, :, None, 2:]
    torch.testing.assert_close((locations - centre) / (size / 2) * 3, offsets)


def test_values_under_padding_are_zero():
    layer = _layer()
    query, references = torch.randn(2, 5, 16).double(), torch.rand(2, 5, 2, 2).double()
    source, padding = torch.randn(2, 47, 16).double(), torch.zeros(2, 47, dtype=torch.bool)
    padding[1, 20:] = True
    first = layer(query, references, source, SHAPES, padding)
    source[1, 20:] = 1e6
    torch.testing.assert_close(layer(query, references, source, SHAPES, padding), first)
    assert not torch.allclose(layer(query, references, source, SHAPES), first)


def test_without_gradients_queries_run_in_blocks_and_give_the_same(monkeypatch):
    layer = _layer()
    query, references = torch.randn(2, 9, 16).double(), torch.rand(2, 9, 2, 4).double()
    source, padding = torch.randn(2, 47, 16).double(), torch.rand(2, 47) > 0.8
    want = layer(query, references, source, SHAPES, padding)
    monkeypatch.setattr(blocks, 'TOKENS_AT_ONCE', 5)
    with torch.no_grad():
        torch.testing.assert_close(layer(query, references, source, SHAPES, padding), want, rtol=0, atol=1e-12)


def test_gradients():
    layer = _layer()
    query = torch.randn(1, 2, 16, dtype=torch.float64, requires_grad=True)
    source = torch.randn(1, 47, 16, dtype=torch.float64, requires_grad=True)
    references = torch.rand(1, 2, 2, 2, dtype=torch.float64) * 0.8 + 0.1
    assert torch.autograd.gradcheck(lambda q, s: layer(q, references, s, SHAPES).sum(), (query, source))


def test_half_precision_keeps_locations_exact():
    value = torch.randn(1, 35 + 12, 2, 4)
    locations, weights = torch.rand(1, 3, 2, 2, 2, 2), torch.rand(1, 3, 2, 2, 2)
    exact = sample_and_weight(value.bfloat16().float(), SHAPES, locations, weights)
    torch.testing.assert_close(sample_and_weight(value.bfloat16(), SHAPES, locations, weights), exact)


def test_errors_name_the_numbers():
    layer = _layer()
    query, source = torch.zeros(1, 5, 16).double(), torch.zeros(1, 47, 16).double()
    with pytest.raises(ValueError, match='47 tokens'):
        layer(query, torch.zeros(1, 5, 2, 2).double(), source, [(5, 7), (3, 5)])
    with pytest.raises(ValueError, match='found 3'):
        layer(query, torch.zeros(1, 5, 2, 3).double(), source, SHAPES)
    with pytest.raises(ValueError, match='not a multiple'):
        DeformableAttention(channels=10, num_heads=4)


@pytest.mark.parametrize('batch', [1, 64, 70, 200])
def test_the_kernel_gets_portions_that_it_accepts(batch):
    sizes = []

    def kernel(value, shapes, starts, locations, weights, step):
        """The contract of mmcv's operator, computed with the pure form."""
        assert all(x.is_contiguous() for x in (value, locations, weights)) and value.dtype == torch.float32
        assert len(value) % min(len(value), step) == 0
        assert shapes.tolist() == [list(shape) for shape in SHAPES] and starts.tolist() == [0, 35]
        sizes.append(len(value))
        return sample_and_weight(value, SHAPES, locations, weights)

    value = torch.randn(batch, 2, 47, 4).transpose(1, 2)
    locations, weights = torch.rand(batch, 3, 2, 2, 2, 2), torch.rand(batch, 3, 2, 2, 2)
    got = deformable_attention._sample_compiled(kernel, value, SHAPES, locations, weights)
    torch.testing.assert_close(got, sample_and_weight(value, SHAPES, locations, weights))
    assert sum(sizes) == batch and max(sizes) <= 64


@pytest.mark.gpu
@pytest.mark.parametrize('batch', [3, 64, 70])
def test_compiled_kernel_equals_the_pure_form(batch):
    if compiled_kernel() is None:
        pytest.skip('mmcv is built without compiled operators')
    layer = _layer().float().cuda()
    query, source = torch.randn(batch, 5, 16).cuda(), torch.randn(batch, 47, 16).cuda()
    references = torch.rand(batch, 5, 2, 4).cuda()
    with torch.no_grad():
        locations, weights = layer.locate(query, references, SHAPES)
        value = layer.value_proj(source).view(batch, 47, 4, 4)
        pure = layer.output_proj(sample_and_weight(value, SHAPES, locations, weights))
        torch.testing.assert_close(layer(query, references, source, SHAPES), pure, rtol=1e-4, atol=1e-5)
