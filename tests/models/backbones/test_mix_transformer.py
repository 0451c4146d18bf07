"""Mix Transformer and the two-stream backbone."""

import pytest
import torch

from mmlvs.models.backbones import MixTransformerBackbone, TwoStreamBackbone
from mmlvs.registry import MODELS

TINY = dict(embed_dims=(8, 16, 24, 32), depths=(1, 1, 1, 1), num_heads=(1, 2, 3, 4), drop_path_rate=0.0)
SWIN = dict(type='SwinBackbone', embed_dim=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 2), window_size=4,
            out_norm=False)


@pytest.mark.parametrize('size', [(32, 32), (45, 70), (33, 129)])
def test_sizes_and_frames_apart(size):
    torch.manual_seed(0)
    backbone = MixTransformerBackbone(**TINY).eval()
    backbone.init_weights()
    clips = torch.randn(2, 3, 3, *size)
    maps = backbone(clips)
    for x, channels, stride in zip(maps, backbone.out_channels, backbone.out_strides, strict=True):
        assert x.shape == (2, 3, channels, -(-size[0] // stride), -(-size[1] // stride))
    alone = backbone(clips[1:, 2:])
    assert all(torch.allclose(a[0, 0], x[1, 2], atol=1e-5) for a, x in zip(alone, maps, strict=True))


def test_recomputed_activations_give_the_same_gradients():
    torch.manual_seed(0)
    plain, cheap = MixTransformerBackbone(**TINY), MixTransformerBackbone(**TINY, with_cp=True)
    cheap.load_state_dict(plain.state_dict())
    clip = torch.randn(1, 1, 3, 32, 32)
    for backbone in (plain, cheap):
        sum(x.square().mean() for x in backbone(clip)).backward()
    assert all(torch.allclose(a.grad, b.grad) for a, b in zip(plain.parameters(), cheap.parameters(), strict=True))


def test_wrong_settings_and_frames_too_small_are_refused():
    with pytest.raises(ValueError, match=r'one entry a stage.*depths \[1, 1\]'):
        MixTransformerBackbone(depths=(1, 1))
    with pytest.raises(ValueError, match="norm_eps has \\['block'\\]"):
        MixTransformerBackbone(norm_eps=dict(block=1e-6))
    with pytest.raises(ValueError, match='at least 32 pixels'):
        MixTransformerBackbone(**TINY)(torch.randn(1, 1, 3, 28, 64))


def test_two_streams_have_weights_of_their_own():
    torch.manual_seed(0)
    both = TwoStreamBackbone(appearance=SWIN, motion=SWIN).eval()
    clip = torch.randn(1, 2, 3, 32, 40)
    x, y = both(clip, clip)
    assert [a.shape for a in x] == [a.shape for a in y] and not torch.allclose(x[0], y[0])
    assert both.out_channels == (8, 16, 32, 64) and len(list(both.parameters())) == 2 * len(list(
        MODELS.build(SWIN).parameters()))
    with pytest.raises(ValueError, match=r'same channels and strides, found \(\(8, 16, 32, 64\)'):
        TwoStreamBackbone(appearance=SWIN, motion=dict(type='MixTransformerBackbone', **TINY))
