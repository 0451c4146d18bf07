"""Mix Transformer against that of MMSegmentation."""

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlvs.models.backbones import FrameBackbone, MixTransformerBackbone
from mmlvs.models.backbones.mix_transformer import NORM_EPS

pytestmark = pytest.mark.full
NAMES = (
    (r'patch_embeds\.(\d)\.proj\.', r'layers.\1.0.projection.'), (r'patch_embeds\.(\d)\.norm\.', r'layers.\1.0.norm.'),
    (r'stages\.(\d)\.(\d+)\.', r'layers.\1.1.\2.'), (r'out_norms\.(\d)\.', r'layers.\1.2.'),
    (r'\.attn\.proj\.', '.attn.attn.out_proj.'), (r'\.mlp\.fc1\.', '.ffn.layers.0.'),
    (r'\.mlp\.dwconv\.', '.ffn.layers.1.'), (r'\.mlp\.fc2\.', '.ffn.layers.4.'),
)


def theirs_from_ours(state):
    """Their names: one packed projection to query, key and value, and 1x1 convolutions for linear layers."""
    found = {}
    for name, value in state.items():
        if '.attn.kv.' in name:
            continue
        if '.attn.q.' in name:
            value = torch.cat([value, state[name.replace('.q.', '.kv.')]])
            name = name.replace('.attn.q.', '.attn.attn.in_proj_')
        if '.mlp.fc' in name and name.endswith('weight'):
            value = value[:, :, None, None]
        for pattern, other in NAMES:
            name = re.sub(pattern, other, name)
        found[name] = value
    return found


@settings(max_examples=8, deadline=None)
@given(depths=st.tuples(*[st.integers(1, 2)] * 4), height=st.integers(32, 100), width=st.integers(32, 100),
       seed=st.integers(0, 999))
def test_values_and_gradients(depths, height, width, seed):
    torch.manual_seed(seed)
    ours = MixTransformerBackbone(embed_dims=(8, 16, 40, 64), depths=depths, drop_path_rate=0.0).double()
    for parameter in ours.parameters():
        torch.nn.init.normal_(parameter, 1.0 if parameter.ndim == 1 else 0.0, 0.2)
    theirs = FrameBackbone(network=dict(type='MMSegMixTransformer', settings=dict(
        embed_dims=8, num_layers=depths, drop_path_rate=0.0))).double()
    theirs.network.network.load_state_dict(theirs_from_ours(ours.state_dict()))
    assert theirs.out_channels == ours.out_channels and theirs.out_strides == ours.out_strides
    assert {m.eps for m in theirs.modules() if isinstance(m, torch.nn.LayerNorm)} == set(NORM_EPS.values())
    clip = torch.randn(1, 2, 3, height, width, dtype=torch.float64)
    for a, b in zip(ours(clip), theirs(clip), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)
