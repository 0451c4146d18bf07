"""Windowed attention against the plain form of its definition."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlvs.models.backbones.window_attention import (
    PatchEmbedding,
    PatchMerging,
    WindowAttention,
    WindowBlock,
    relative_position_index,
    shift_mask,
    window_in_use,
)


def plain_attention(layer, x, shift):
    """The definition, window by window and head by head: regions numbered on the whole padded map, no fused kernel."""
    batch, *size, channels = x.shape
    window, shift = window_in_use(tuple(size), layer.window, shift, shrink=layer.shrink)
    padded = [-(-n // w) * w for n, w in zip(size, window, strict=True)]
    full = x.new_zeros(batch, *padded, channels)
    full[:, :size[0], :size[1], :size[2]] = x
    region = torch.zeros(padded, dtype=torch.long)
    cuts = [[slice(0, -w), slice(-w, -s), slice(-s, None)] if s else [slice(None)]
            for w, s in zip(window, shift, strict=True)]
    for number, place in enumerate(itertools.product(*cuts)):
        region[place] = number
    rolled = torch.roll(full, [-s for s in shift], dims=(1, 2, 3))
    out = torch.zeros_like(rolled)
    heads, depth = layer.num_heads, channels // layer.num_heads
    tokens = window[0] * window[1] * window[2]
    _, fh, fw = layer.window
    where = [(n // (fh * fw), n % (fh * fw) // fw, n % fw) for n in range(tokens)]
    rows = [[((a[0] - b[0] + layer.window[0] - 1) * (2 * fh - 1) + a[1] - b[1] + fh - 1) * (2 * fw - 1) + a[2] - b[2]
             + fw - 1 for b in where] for a in where]
    bias = layer.relative_position_bias_table[torch.tensor(rows)]  # (N, N, heads)
    for start in itertools.product(*(range(0, n, w) for n, w in zip(padded, window, strict=True))):
        place = tuple(slice(a, a + w) for a, w in zip(start, window, strict=True))
        labels = region[place].flatten()
        for b in range(batch):
            part = rolled[b][place].reshape(tokens, channels)
            q, k, v = (F.linear(part, layer.qkv.weight, layer.qkv.bias)[:, i * channels:(i + 1) * channels]
                       for i in range(3))
            merged = []
            for head in range(heads):
                cut = slice(head * depth, (head + 1) * depth)
                logits = (q[:, cut] * depth**-0.5) @ k[:, cut].T + bias[..., head]
                logits = logits - 100.0 * (labels[:, None] != labels[None, :])
                merged.append(logits.softmax(-1) @ v[:, cut])
            result = F.linear(torch.cat(merged, dim=1), layer.proj.weight, layer.proj.bias)
            out[(b, *place)] = result.view(*window, channels)
    out = torch.roll(out, shift, dims=(1, 2, 3))
    return out[:, :size[0], :size[1], :size[2]]


def make(window, shrink, seed=0, heads=2):
    torch.manual_seed(seed)
    layer = WindowAttention(channels=8, num_heads=heads, window=window, shrink=shrink).double()
    torch.nn.init.normal_(layer.relative_position_bias_table)
    return layer


@settings(max_examples=30, deadline=None)
@given(
    size=st.tuples(st.integers(1, 7), st.integers(1, 8), st.integers(1, 8)),
    window=st.tuples(st.integers(1, 4), st.integers(2, 4), st.integers(2, 4)),
    shifted=st.booleans(),
    seed=st.integers(0, 99),
)
def test_equals_plain_form_on_clips(size, window, shifted, seed):
    layer = make(window, shrink=True, seed=seed)
    x = torch.randn(2, *size, 8, dtype=torch.float64)
    shift = tuple(n // 2 for n in window) if shifted else (0, 0, 0)
    torch.testing.assert_close(layer(x, shift), plain_attention(layer, x, shift), rtol=0, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)), side=st.integers(2, 5), shifted=st.booleans(),
    seed=st.integers(0, 99))
def test_equals_plain_form_on_images(size, side, shifted, seed):
    layer = make((1, side, side), shrink=False, seed=seed)
    x = torch.randn(2, 1, *size, 8, dtype=torch.float64)
    shift = (0, side // 2, side // 2) if shifted else (0, 0, 0)
    torch.testing.assert_close(layer(x, shift), plain_attention(layer, x, shift), rtol=0, atol=1e-12)


def test_gradients_equal_plain_form():
    layer = make((2, 3, 3), shrink=True)
    x = torch.randn(1, 5, 4, 7, 8, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(x.shape, dtype=torch.float64)
    inputs = [x, *layer.parameters()]
    got = torch.autograd.grad((layer(x, (1, 1, 1)) * weight).sum(), inputs)
    want = torch.autograd.grad((plain_attention(layer, x, (1, 1, 1)) * weight).sum(), inputs)
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10)


def test_window_in_use_follows_the_kind_of_network():
    assert window_in_use((3, 7, 20), (8, 7, 7), (4, 3, 3), shrink=True) == ((3, 7, 7), (0, 0, 3))
    assert window_in_use((1, 2, 20), (1, 7, 7), (0, 3, 3), shrink=False) == ((1, 7, 7), (0, 3, 3))


def test_index_of_cut_window_is_the_corner_of_the_full_one():
    full = relative_position_index((8, 7, 7), 392, torch.device('cpu')).view(392, 392)
    cut = relative_position_index((8, 7, 7), 5 * 6, torch.device('cpu')).view(30, 30)
    assert torch.equal(cut, full[:30, :30])
    assert full.min() == 0 and full.max() == 15 * 13 * 13 - 1 and full[0, 0] == 7 * 169 + 6 * 13 + 6


def test_training_after_inference_mode():
    """What inference mode has cached must be usable where gradients are taken."""
    layer = make((3, 5, 5), shrink=True, heads=1)
    x = torch.randn(1, 7, 6, 6, 8, dtype=torch.float64)
    relative_position_index.cache_clear()
    with torch.inference_mode():
        seen = layer(x, (1, 2, 2))
    trained = layer(x, (1, 2, 2))
    trained.sum().backward()
    torch.testing.assert_close(trained, seen, rtol=0, atol=1e-12)
    assert layer.relative_position_bias_table.grad.abs().sum() > 0


def test_nothing_is_kept_while_tracing():
    from torch._subclasses.fake_tensor import FakeTensorMode

    layer = make((3, 5, 5), shrink=True, heads=1)
    x = torch.randn(1, 7, 6, 6, 8, dtype=torch.float64)
    relative_position_index.cache_clear()
    shift_mask.cache_clear()
    with torch.no_grad():
        with FakeTensorMode(allow_non_fake_inputs=True):
            layer(x, (1, 2, 2))
        assert type(layer(x, (1, 2, 2))) is torch.Tensor


def test_heads_must_divide_channels():
    with pytest.raises(ValueError, match='3 heads for 8 channels'):
        WindowAttention(channels=8, num_heads=3, window=(1, 2, 2), shrink=False)


def test_block_drops_paths_only_in_training():
    torch.manual_seed(0)
    block = WindowBlock(channels=8, num_heads=2, window=(1, 4, 4), shift=(0, 0, 0), shrink=False, drop_path=0.9)
    x = torch.randn(64, 1, 4, 4, 8)
    changed = (block.eval()(x) != x).flatten(1).any(1)
    assert changed.all()
    kept = (block.train()(x) == x).flatten(1).all(1)
    assert 35 <= kept.sum() <= 63  # each of two branches is dropped for 90 % of the samples: 81 % expected


def test_patch_embedding_pads_to_whole_patches():
    layer = PatchEmbedding(in_channels=3, channels=8, patch_size=4, norm=False)
    frames = torch.randn(2, 3, 3, 9, 6)
    whole = F.pad(frames, (0, 2, 0, 3))
    assert layer(frames).shape == (2, 3, 3, 2, 8)
    assert torch.equal(layer(frames), layer(whole))


def test_patch_merging_order_of_phases():
    layer = PatchMerging(channels=1)
    layer.norm, layer.reduction = torch.nn.Identity(), torch.nn.Identity()
    x = torch.tensor([[1., 2, 5], [3, 4, 6], [7, 8, 9]]).view(1, 1, 3, 3, 1)
    merged = layer(x)[0, 0]
    assert merged.shape == (2, 2, 4)
    assert merged[0, 0].tolist() == [1, 3, 2, 4]  # (row, column): (0, 0), (1, 0), (0, 1), (1, 1)
    assert merged[1, 1].tolist() == [9, 0, 0, 0]
