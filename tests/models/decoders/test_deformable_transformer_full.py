"""Encoder and decoder of the deformable transformer against MMDetection's Deformable DETR."""

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mmlvs.models.decoders.deformable_transformer import (
    DeformableDecoder,
    DeformableEncoder,
    DeformableTransformer,
    LevelTokens,
    inverse_sigmoid,
    pixel_centres,
)

pytestmark = pytest.mark.full
NAMES = (
    (r'self_attention\.(in_|out_)', r'self_attn.attn.\1'), (r'cross_attention\.', 'cross_attn.'),
    (r'\battention\.', 'self_attn.'), (r'feedforward\.layers\.0\.', 'ffn.layers.0.0.'),
    (r'feedforward\.layers\.3\.', 'ffn.layers.1.'),
)
NORMS = {'encoder': ('norm', 'feedforward.norm'), 'decoder': ('self_norm', 'cross_norm', 'feedforward.norm')}
SIDES = st.integers(1, 7)
CASE = dict(
    heads=st.integers(1, 4), half=st.integers(1, 3), points=st.integers(1, 4), batch=st.integers(1, 3),
    layers=st.integers(1, 3), shapes=st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=4), padded=st.booleans(),
    seed=st.integers(0, 9999))


def theirs_from_ours(state, kind):
    """Names in MMDetection."""
    found = {}
    for name, value in state.items():
        for index, norm in enumerate(NORMS[kind]):
            name = re.sub(rf'(layers\.\d+\.){re.escape(norm)}\.', rf'\1norms.{index}.', name)
        for pattern, other in NAMES:
            name = re.sub(pattern, other, name)
        found[name] = value
    return found


def pair(kind, *, layers, channels, heads, levels, points, **more):
    """Ours and theirs with the same weights, in float64 and without dropout."""
    from mmdet.models import layers as mmdet_layers
    ours = dict(encoder=DeformableEncoder, decoder=DeformableDecoder)[kind](
        num_layers=layers, channels=channels, num_heads=heads, num_levels=levels, num_points=points,
        feedforward_channels=3 * channels, dropout=0.0, **more).double()
    for parameter in ours.parameters():
        nn.init.normal_(parameter, 1.0 if parameter.ndim == 1 else 0.0, 0.3)
    deformable = dict(embed_dims=channels, num_heads=heads, num_levels=levels, num_points=points, dropout=0.0,
                      batch_first=True)
    settings = dict(ffn_cfg=dict(embed_dims=channels, feedforward_channels=3 * channels, ffn_drop=0.0))
    if kind == 'encoder':
        theirs = mmdet_layers.DeformableDetrTransformerEncoder(
            num_layers=layers, layer_cfg=dict(self_attn_cfg=deformable, **settings))
    else:
        plain = dict(embed_dims=channels, num_heads=heads, dropout=0.0, batch_first=True)
        theirs = mmdet_layers.DeformableDetrTransformerDecoder(
            num_layers=layers, layer_cfg=dict(self_attn_cfg=plain, cross_attn_cfg=deformable, **settings),
            return_intermediate=True, post_norm_cfg=None)
    theirs.double().load_state_dict(theirs_from_ours(ours.state_dict(), kind))
    return ours, theirs


def make_levels(batch, channels, shapes, padded):
    """Tokens of clips of which some are padded at the right and below."""
    paddings = []
    high, wide = (torch.rand(batch) if padded else torch.ones(batch) for _ in 'hw')
    for h, w in shapes:
        rows, columns = (high * h).ceil().clamp(1), (wide * w).ceil().clamp(1)
        paddings.append((torch.arange(h)[:, None] >= rows[:, None, None]) | (torch.arange(w) >= columns[:, None, None]))
    maps, positions = ([torch.randn(batch, channels, h, w, dtype=torch.float64) for h, w in shapes] for _ in 'mp')
    transformer = DeformableTransformer(channels=channels, num_heads=1, num_levels=len(shapes), encoder_layers=0,
                                        decoder_layers=0).double()
    levels: LevelTokens = transformer.join(maps, positions, paddings)
    levels.tokens, levels.position = levels.tokens.detach().requires_grad_(), levels.position.detach()
    levels.valid_ratios = levels.valid_ratios.double()
    if not padded:
        levels.padding = None
    return levels


def theirs_of_levels(levels):
    sizes = torch.tensor(levels.shapes)
    return dict(spatial_shapes=sizes, level_start_index=torch.cat([sizes.new_zeros(1), sizes.prod(1).cumsum(0)[:-1]]),
                valid_ratios=levels.valid_ratios, key_padding_mask=levels.padding)


def same_gradients(got, want, ours, theirs, kind, leaves):
    weight = torch.randn_like(want)
    found = torch.autograd.grad((got * weight).sum(), [*leaves, *ours.parameters()], allow_unused=True)
    names = list(theirs_from_ours(dict(ours.named_parameters()), kind))
    others = dict(theirs.named_parameters())
    assert set(names) == set(others)
    wanted = torch.autograd.grad((want * weight).sum(), [*leaves, *(others[name] for name in names)], allow_unused=True)
    for name, a, b in zip([*map(str, range(len(leaves))), *names], found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-8, msg=lambda text, name=name: f'{name}: {text}')


@pytest.fixture(autouse=True)
def double_precision():
    """Their grid of pixel centres is made in the default type."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@settings(max_examples=20, deadline=None)
@given(**CASE)
def test_encoder(heads, half, points, batch, layers, shapes, padded, seed):
    torch.manual_seed(seed)
    channels = heads * 2 * half
    ours, theirs = pair('encoder', layers=layers, channels=channels, heads=heads, levels=len(shapes), points=points)
    levels = make_levels(batch, channels, shapes, padded)
    centres = theirs.get_encoder_reference_points(torch.tensor(levels.shapes), levels.valid_ratios, device='cpu')
    # their grid is float32
    torch.testing.assert_close(pixel_centres(levels.shapes, levels.valid_ratios), centres.double(), rtol=0, atol=1e-6)
    theirs.get_encoder_reference_points = lambda *_, **__: pixel_centres(levels.shapes, levels.valid_ratios)
    got, want = ours(levels), theirs(query=levels.tokens, query_pos=levels.position, **theirs_of_levels(levels))
    torch.testing.assert_close(got, want, rtol=1e-8, atol=1e-9)
    same_gradients(got, want, ours, theirs, 'encoder', [levels.tokens])


@pytest.mark.parametrize('refine', [True, False])
@settings(max_examples=15, deadline=None)
@given(**CASE, queries=st.integers(1, 6))
def test_decoder(refine, heads, half, points, batch, layers, shapes, padded, queries, seed):
    torch.manual_seed(seed)
    channels = heads * 2 * half
    ours, theirs = pair('decoder', layers=layers, channels=channels, heads=heads, levels=len(shapes), points=points,
                        refine=refine)
    levels = make_levels(batch, channels, shapes, padded)
    heads_of_boxes = nn.ModuleList(nn.Linear(channels, 4) for _ in range(layers)).double()
    content = torch.randn(batch, queries, channels, requires_grad=True)
    position = torch.randn(batch, queries, channels, requires_grad=True)
    reference = torch.rand(batch, queries, 2)
    memory = torch.randn(batch, levels.tokens.shape[1], channels, requires_grad=True)
    output = ours(content, position, reference, memory, levels, heads_of_boxes)
    states, references = theirs(
        query=content, query_pos=position, value=memory, reference_points=reference,
        reg_branches=heads_of_boxes if refine else None, **theirs_of_levels(levels))
    torch.testing.assert_close(output.states, states, rtol=1e-8, atol=1e-9)
    torch.testing.assert_close(output.references, references, rtol=1e-8, atol=1e-9)
    same_gradients(output.states, states, ours, theirs, 'decoder', [content, position, memory])


def test_inverse_sigmoid():
    from mmdet.models.layers.transformer.utils import inverse_sigmoid as theirs
    x = torch.linspace(-0.1, 1.1, 400)
    torch.testing.assert_close(inverse_sigmoid(x, eps=1e-5), theirs(x, eps=1e-5), rtol=0, atol=0)
