import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmlvs.models.decoders import DeformableTransformer
from mmlvs.models.decoders.deformable_transformer import inverse_sigmoid, pixel_centres, valid_ratio
from mmlvs.models.layers import MLP, blocks

SIZES = [(6, 8), (3, 4), (2, 2)]


def _transformer(**settings):
    torch.manual_seed(0)
    options = dict(channels=16, num_heads=4, encoder_layers=2, decoder_layers=3, feedforward_channels=24, num_levels=3,
                   encoder_points=2, decoder_points=2)
    transformer = DeformableTransformer(**{**options, **settings}).double().eval()
    heads = torch.nn.ModuleList(MLP(in_channels=16, hidden_channels=16, out_channels=4, num_layers=3)
                                for _ in range(transformer.num_layers)).double()
    return transformer, heads


def _levels(transformer, frames=3, padded=True):
    torch.manual_seed(1)
    maps = [torch.randn(frames, 16, *size).double() for size in SIZES]
    paddings = [torch.zeros(frames, *size, dtype=torch.bool) for size in SIZES]
    for padding in paddings if padded else ():
        padding[1, :, padding.shape[-1] // 2:] = True
    return transformer.join(maps, [torch.randn_like(x) for x in maps], paddings)


def _decode(transformer, heads, levels, **kwargs):
    content, position = torch.randn(len(levels.tokens), 5, 16).double(), torch.randn(5, 16).double()
    return transformer.decode(content, position, transformer.encode(levels), levels, heads, **kwargs)


@given(st.floats(0, 1))
def test_inverse_sigmoid(x):
    got = inverse_sigmoid(torch.tensor(x, dtype=torch.float64))
    limit = math.log(1e5)
    assert abs(got) <= limit + 1e-4
    if 1e-5 < x < 1 - 1e-5:
        assert abs(float(got.sigmoid()) - x) < 1e-9


def test_valid_ratio_is_width_then_height_and_a_lost_frame_counts_as_valid():
    padding = torch.zeros(2, 4, 10, dtype=torch.bool)
    padding[0, 3:], padding[0, :, 5:], padding[1] = True, True, True
    assert valid_ratio(padding).tolist() == [[0.5, 0.75], [1.0, 1.0]]


def test_pixel_centres():
    ratios = torch.tensor([[[0.5, 1.0], [0.75, 0.5]]])
    got = pixel_centres([(2, 4), (1, 2)], ratios)
    assert got.shape == (1, 10, 2, 2)
    # second pixel of the first row: x = 1.5 of 4 pixels, seen from its own level and from the other
    torch.testing.assert_close(got[0, 1], torch.tensor([[1.5 / 4, 0.25], [1.5 / 4 / 0.5 * 0.75, 0.25 * 0.5]]))


def test_levels_are_cut_back_to_maps():
    transformer, _ = _transformer()
    levels = _levels(transformer)
    maps = levels.maps(levels.tokens)
    assert [tuple(x.shape) for x in maps] == [(3, 16, *size) for size in SIZES]
    torch.testing.assert_close(torch.cat([x.flatten(2).transpose(1, 2) for x in maps], dim=1), levels.tokens)
    with pytest.raises(ValueError, match='num_levels = 3'):
        transformer.join([], [], [])


def test_frames_are_independent_and_blocks_change_nothing(monkeypatch):
    transformer, _ = _transformer()
    levels = _levels(transformer)
    want = transformer.encode(levels)
    alone = torch.cat([transformer.encode(levels[i:i + 1]) for i in range(3)])
    torch.testing.assert_close(alone, want)
    monkeypatch.setattr(blocks, 'FRAMES_AT_ONCE', 2)
    with torch.no_grad():
        torch.testing.assert_close(transformer.encode(levels), want)


def test_without_padding_the_mask_is_not_needed():
    transformer, _ = _transformer()
    levels = _levels(transformer, padded=False)
    want = transformer.encode(levels)
    levels.padding = None
    torch.testing.assert_close(transformer.encode(levels), want)


def test_boxes_carry_gradient_and_references_do_not():
    transformer, heads = _transformer()
    output = _decode(transformer, heads, _levels(transformer))
    assert output.boxes.shape == (3, 3, 5, 4) and output.initial_reference.shape == (3, 5, 2)
    torch.testing.assert_close(output.references, output.boxes)
    assert output.boxes.requires_grad and not output.references.requires_grad
    torch.testing.assert_close(output.entering_centre(), output.references[1, ..., :2])
    output.boxes[2].sum().backward()
    assert heads[2].layers[0].weight.grad.any() and not heads[1].layers[0].weight.grad.any()


def test_without_refinement_references_stay():
    transformer, heads = _transformer(refine=False)
    output = _decode(transformer, heads, _levels(transformer))
    assert output.references.shape == (3, 3, 5, 2) and output.boxes.shape == (3, 3, 5, 4)
    torch.testing.assert_close(output.references, output.initial_reference.expand(3, -1, -1, -1))


def test_something_may_run_between_the_layers():
    transformer, heads = _transformer()
    seen = []
    _decode(transformer, heads, _levels(transformer), between=lambda x: (seen.append(tuple(x.shape)), x)[1])
    assert seen == [(3, 5, 16)] * 3


def test_initialisation():
    torch.manual_seed(0)
    transformer = DeformableTransformer(num_levels=4)
    assert 0.9 < float(transformer.level_embed.detach().std()) < 1.1
    assert not transformer.reference_points.bias.any()
    layer = transformer.decoder.layers[0]
    assert not layer.cross_attention.sampling_offsets.weight.any()
    assert layer.cross_attention.sampling_offsets.bias.any()
    bound = math.sqrt(6 / (256 + 3 * 256))  # Xavier of the joint in-projection
    assert bound * 0.98 < float(layer.self_attention.in_proj_weight.detach().abs().max()) <= bound
