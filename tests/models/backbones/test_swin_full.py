"""Image Swin against that of MMDetection and of MMSegmentation."""

import importlib
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlvs.models.backbones import SwinBackbone

pytestmark = pytest.mark.full
NAMES = (
    (r'patch_embed\.proj\.', 'patch_embed.projection.'), (r'stages\.(\d)\.(\d+)\.', r'stages.\1.blocks.\2.'),
    (r'\.attn\.', '.attn.w_msa.'), (r'\.mlp\.fc1\.', '.ffn.layers.0.0.'), (r'\.mlp\.fc2\.', '.ffn.layers.1.'),
    (r'merges\.(\d)\.', r'stages.\1.downsample.'), (r'out_norms\.(\d)\.', r'norm\1.'),
)


def theirs_from_ours(state):
    """Their names, and the four phases of a merged patch as they lie there: by channel, then row, then column."""
    found = {}
    for name, value in state.items():
        if name.startswith('merges.'):
            # (..., 4 phases * C), phases (row, column) 00, 10, 01, 11 -> (..., C * 4), phases 00, 01, 10, 11
            value = value.unflatten(-1, (4, -1))[..., [0, 2, 1, 3], :].transpose(-2, -1).flatten(-2)
        for pattern, other in NAMES:
            name = re.sub(pattern, other, name)
        found[name] = value
    return found


def pair(toolbox, **sizes):
    network = importlib.import_module(f'{toolbox}.models.backbones').SwinTransformer
    ours = SwinBackbone(embed_dim=sizes['embed'], depths=sizes['depths'], num_heads=sizes['heads'],
                        window_size=sizes['window'], patch_size=sizes['patch'], drop_path_rate=0.0).double()
    for parameter in ours.parameters():
        torch.nn.init.normal_(parameter, 1.0 if parameter.ndim == 1 else 0.0, 0.2)
    theirs = network(embed_dims=sizes['embed'], depths=sizes['depths'], num_heads=sizes['heads'],
                     window_size=sizes['window'], patch_size=sizes['patch'], strides=(sizes['patch'], 2, 2, 2),
                     drop_path_rate=0.0).double()
    buffers = {name: value for name, value in theirs.state_dict().items() if name.endswith('relative_position_index')}
    theirs.load_state_dict(theirs_from_ours(ours.state_dict()) | buffers)
    return ours, theirs


@pytest.mark.parametrize('toolbox', ['mmdet', 'mmseg'])
@settings(max_examples=8, deadline=None)
@given(heads=st.tuples(*[st.sampled_from((1, 2, 4))] * 4), depths=st.tuples(*[st.integers(1, 3)] * 4),
       window=st.integers(2, 7), patch=st.sampled_from((2, 4)), height=st.integers(8, 90), width=st.integers(8, 90),
       seed=st.integers(0, 999))
def test_values_and_gradients(toolbox, heads, depths, window, patch, height, width, seed):
    torch.manual_seed(seed)
    ours, theirs = pair(toolbox, embed=4, heads=heads, depths=depths, window=window, patch=patch)
    clip = torch.randn(1, 2, 3, height, width, dtype=torch.float64, requires_grad=True)
    got, want = ours(clip), theirs(clip[0])
    assert len(got) == len(want) == 4
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a[0], b, rtol=1e-9, atol=1e-10)
    weights = [torch.randn_like(b) for b in want]
    sum((a[0] * w).sum() for a, w in zip(got, weights, strict=True)).backward()
    gradient, clip.grad = clip.grad, None
    sum((b * w).sum() for b, w in zip(want, weights, strict=True)).backward()
    torch.testing.assert_close(gradient, clip.grad, rtol=1e-7, atol=1e-8)
    gradients = theirs_from_ours({name: parameter.grad for name, parameter in ours.named_parameters()})
    others = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    assert set(gradients) == set(others)
    for name, value in gradients.items():
        torch.testing.assert_close(value, others[name], rtol=1e-7, atol=1e-7, msg=name)
