"""Deformable attention against MMCV's module, which the compiled operators bring."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlvs.models.layers.deformable_attention import DeformableAttention, compiled_kernel

pytestmark = pytest.mark.full
SIDES = st.integers(1, 9)
CASE = dict(
    heads=st.integers(1, 4), width=st.integers(1, 8), points=st.integers(1, 5), queries=st.integers(1, 12),
    batch=st.integers(1, 3), shapes=st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=4),
    numbers=st.sampled_from((2, 4)), padded=st.booleans(), seed=st.integers(0, 9999))


def pair(channels, heads, levels, points):
    from mmcv.ops import MultiScaleDeformableAttention
    ours = DeformableAttention(channels=channels, num_heads=heads, num_levels=levels, num_points=points).double()
    for parameter in ours.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    theirs = MultiScaleDeformableAttention(
        embed_dims=channels, num_heads=heads, num_levels=levels, num_points=points, dropout=0.0, batch_first=True)
    theirs.double().load_state_dict(ours.state_dict())
    return ours, theirs


def attend(module, query, references, source, shapes, padding):
    """Their module without what it adds around attention."""
    sizes = torch.tensor(shapes, device=source.device)
    starts = torch.cat([sizes.new_zeros(1), sizes.prod(1).cumsum(0)[:-1]])
    return module(query, value=source, identity=torch.zeros_like(query), key_padding_mask=padding,
                  reference_points=references, spatial_shapes=sizes, level_start_index=starts)


def arguments(channels, queries, batch, shapes, numbers, padded):
    tokens = sum(h * w for h, w in shapes)
    query = torch.randn(batch, queries, channels, dtype=torch.float64, requires_grad=True)
    source = torch.randn(batch, tokens, channels, dtype=torch.float64, requires_grad=True)
    # some outside of the map
    references = torch.rand(batch, queries, len(shapes), numbers, dtype=torch.float64) * 1.4 - 0.2
    padding = torch.rand(batch, tokens) < 0.3 if padded else None
    return query, references.requires_grad_(), source, shapes, padding


@settings(max_examples=40, deadline=None)
@given(**CASE)
def test_values_and_gradients(heads, width, points, queries, batch, shapes, numbers, padded, seed):
    torch.manual_seed(seed)
    ours, theirs = pair(heads * width, heads, len(shapes), points)
    inputs = arguments(heads * width, queries, batch, shapes, numbers, padded)
    got, want = ours(*inputs), attend(theirs, *inputs)
    torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-10)
    weight, leaves = torch.randn_like(want), inputs[:3]
    found = torch.autograd.grad((got * weight).sum(), [*leaves, *ours.parameters()])
    others = dict(theirs.named_parameters())
    others = [others[name] for name, _ in ours.named_parameters()]
    wanted = torch.autograd.grad((want * weight).sum(), [*leaves, *others])
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9)


def test_start_is_theirs():
    ours = DeformableAttention(channels=32, num_heads=4, num_levels=3, num_points=2)
    _, theirs = pair(32, 4, 3, 2)
    theirs.init_weights()
    for name in ('sampling_offsets.weight', 'sampling_offsets.bias', 'attention_weights.weight', 'value_proj.bias'):
        torch.testing.assert_close(ours.state_dict()[name], theirs.state_dict()[name].float(), rtol=0, atol=1e-6)


@pytest.mark.gpu
@pytest.mark.parametrize('batch', [1, 64, 70])
def test_kernel_on_the_gpu(batch):
    assert compiled_kernel() is not None, 'MMCV is not compiled for CUDA'
    torch.manual_seed(batch)
    ours, theirs = (module.float().cuda() for module in pair(32, 4, 2, 3))
    query, references, source, shapes, padding = arguments(32, 7, batch, [(5, 7), (3, 4)], 4, True)
    inputs = (query.float().cuda(), references.float().cuda(), source.float().cuda(), shapes, padding.cuda())
    got = ours(*inputs)
    theirs.im2col_step = batch
    torch.testing.assert_close(got, attend(theirs, *inputs), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(got.cpu(), ours.cpu()(*(x.cpu() if torch.is_tensor(x) else x for x in inputs)),
                               rtol=1e-3, atol=1e-4)
