"""Context-Sharing Transformer."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlvs.models.layers import ContextSharingTransformer
from mmlvs.models.layers.cst import ConvFeedForward


def plain_feed_forward(ffn, x):
    """The formula written out for (B, h, w, C), position by position."""
    hidden = ffn.linear1(x)
    batch, height, width, channels = hidden.shape
    out = torch.zeros_like(hidden)
    for i in range(height):
        for j in range(width):
            for di in (-1, 0, 1):
                for dj in (-1, 0, 1):
                    if 0 <= i + di < height and 0 <= j + dj < width:
                        out[:, i, j] += hidden[:, i + di, j + dj] * ffn.dwconv.weight[:, 0, di + 1, dj + 1]
    out = (out + ffn.dwconv.bias).clamp(min=0)
    return torch.nn.functional.layer_norm(x + ffn.linear2(out), (x.shape[-1], ), ffn.norm.weight, ffn.norm.bias)


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6))
def test_feed_forward_is_its_formula(batch, height, width):
    torch.manual_seed(0)
    ffn = ConvFeedForward(channels=4, ratio=3).double().eval()
    x = torch.randn(batch, height, width, 4, dtype=torch.double)
    assert torch.allclose(ffn(x), plain_feed_forward(ffn, x), atol=1e-12)


def test_one_context_is_shared_by_all_positions():
    """Without the feed-forward net, what is added to the projection is the same everywhere, and depends on the whole
    map."""
    torch.manual_seed(0)
    module = ContextSharingTransformer(channels=8, context_ratio=2).double().eval()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    x, y = torch.randn(2, 2, 8, 5, 7, dtype=torch.double)
    z = module.project(torch.cat([x, y], 1))
    added = module.context(z) - z
    assert torch.allclose(added, added[:, :, :1, :1].expand_as(added), atol=1e-12)
    x[:, :, 4, 6] += 1
    z = module.project(torch.cat([x, y], 1))
    assert not torch.allclose(module.context(z) - z, added, atol=1e-6)
    assert module(x, y).shape == x.shape


def test_images_do_not_see_each_other_and_memory_format_does_not_matter():
    torch.manual_seed(0)
    module = ContextSharingTransformer(channels=8).double().eval()
    x, y = torch.randn(2, 3, 8, 6, 5, dtype=torch.double)
    whole = module(x, y)
    assert torch.allclose(torch.cat([module(a[None], b[None]) for a, b in zip(x, y, strict=True)]), whole, atol=1e-12)
    last = module(*(v.contiguous(memory_format=torch.channels_last) for v in (x, y)))
    assert torch.allclose(last, whole, atol=1e-12)
