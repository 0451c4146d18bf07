"""Image Swin and Video Swin as wholes."""

import math

import pytest
import torch

from mmlvs.io.checkpoint import CheckpointError
from mmlvs.models.backbones import SwinBackbone, VideoSwinBackbone
from mmlvs.registry import MODELS

TINY = {'embed_dim': 8, 'depths': (2, 2, 2, 2), 'num_heads': (1, 2, 2, 4)}


def randomise(module):
    torch.manual_seed(1)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return module


@pytest.mark.parametrize('kind', [SwinBackbone, VideoSwinBackbone])
@pytest.mark.parametrize(('frames', 'height', 'width'), [(1, 32, 32), (3, 45, 61), (10, 36, 60), (2, 5, 3)])
def test_maps_have_ceil_sizes(kind, frames, height, width):
    backbone = kind(**TINY).eval()
    with torch.no_grad():
        maps = backbone(torch.randn(2, frames, 3, height, width))
    assert backbone.out_channels == (8, 16, 32, 64) and backbone.out_strides == (4, 8, 16, 32)
    for x, channels, stride in zip(maps, backbone.out_channels, backbone.out_strides, strict=True):
        assert x.shape == (2, frames, channels, math.ceil(height / stride), math.ceil(width / stride))


def test_frames_of_image_swin_are_independent_and_of_video_swin_are_not():
    clip = torch.randn(1, 10, 3, 40, 72)
    other = clip.clone()
    other[:, 1] = 0
    with torch.no_grad():
        for kind, mixes in ((SwinBackbone, False), (VideoSwinBackbone, True)):
            backbone = randomise(kind(**TINY)).eval()
            change = (backbone(clip)[3] - backbone(other)[3]).abs().amax((0, 2, 3, 4))
            assert change[1] > 1e-3
            assert bool(change[5] > 1e-6) is mixes


def test_clips_of_a_batch_do_not_mix():
    backbone = randomise(VideoSwinBackbone(**TINY)).double().eval()
    clips = torch.randn(2, 9, 3, 40, 40, dtype=torch.float64)
    with torch.no_grad():
        both = backbone(clips)
        alone = backbone(clips[1:])
    for a, b in zip(both, alone, strict=True):
        torch.testing.assert_close(a[1:], b, rtol=0, atol=1e-10)


def test_output_norms_leave_the_tokens_that_go_on():
    plain = randomise(SwinBackbone(**TINY, out_norm=False)).eval()
    normed = SwinBackbone(**TINY, out_norm=(False, True, True, False)).eval()
    normed.load_state_dict(plain.state_dict(), strict=False)
    clip = torch.randn(1, 1, 3, 64, 64)
    with torch.no_grad():
        a, b = plain(clip), normed(clip)
    for i, norm in enumerate((False, True, True, False)):
        want = torch.nn.functional.layer_norm(a[i].movedim(2, -1), a[i].shape[2:3]).movedim(-1, 2) if norm else a[i]
        torch.testing.assert_close(b[i], want, rtol=0, atol=1e-5)


@pytest.mark.parametrize('kind', [SwinBackbone, VideoSwinBackbone])
def test_recomputation_gives_the_same_gradients(kind):
    clip = torch.randn(1, 2, 3, 40, 40)
    gradients = []
    for with_cp in (False, True):
        backbone = randomise(kind(**TINY, with_cp=with_cp, drop_path_rate=0.3)).train()
        torch.manual_seed(3)
        sum(x.square().mean() for x in backbone(clip)).backward()
        gradients.append([p.grad for p in backbone.parameters()])
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_every_parameter_gets_a_gradient():
    backbone = randomise(VideoSwinBackbone(**TINY)).train()
    sum(x.square().mean() for x in backbone(torch.randn(1, 9, 3, 64, 64))).backward()
    assert not [name for name, p in backbone.named_parameters() if p.grad is None]


def test_sizes_of_the_published_networks():
    published = {
        (SwinBackbone, 96, (2, 2, 6, 2), (3, 6, 12, 24)): 27_520_698,
        (SwinBackbone, 192, (2, 2, 18, 2), (6, 12, 24, 48)): 194_998_164,
        (VideoSwinBackbone, 96, (2, 2, 6, 2), (3, 6, 12, 24)): 27_844_326,
        (VideoSwinBackbone, 96, (2, 2, 18, 2), (3, 6, 12, 24)): 49_502_934,
        (VideoSwinBackbone, 128, (2, 2, 18, 2), (4, 8, 16, 32)): 87_630_792,
    }
    for (kind, width, depths, heads), parameters in published.items():
        with torch.device('meta'):
            backbone = MODELS.build({'type': kind.__name__, 'embed_dim': width, 'depths': depths, 'num_heads': heads})
        assert sum(p.numel() for p in backbone.parameters()) == parameters


def test_built_on_meta_then_initialised_and_run():
    with torch.device('meta'):
        backbone = VideoSwinBackbone(**TINY)
    backbone.to_empty(device='cpu')
    backbone.init_weights()
    out = backbone.eval()(torch.randn(1, 9, 3, 64, 64))
    assert all(torch.isfinite(x).all() for x in out)


def test_random_starts_of_the_two_kinds():
    torch.manual_seed(0)
    image, video = SwinBackbone(**TINY), VideoSwinBackbone(**TINY)
    image.init_weights()
    video.init_weights()
    fc_image, fc_video = image.stages[3][0].mlp.fc2, video.stages[3][0].mlp.fc2
    assert 0.019 < fc_image.weight.std() < 0.021 and not fc_image.bias.any()
    assert fc_video.weight.abs().max() <= 256**-0.5 + 1e-6 and fc_video.bias.any()
    table = video.stages[0][0].attn.relative_position_bias_table
    assert table.shape == (2535, 1) and 0.018 < table.std() < 0.022


def reference_names(backbone):
    """A state dict under the names that classification files use."""
    state = {}
    for name, value in backbone.state_dict().items():
        part = name.split('.')
        if part[0] == 'stages':
            name = '.'.join(['layers', part[1], 'blocks', *part[2:]])
        elif part[0] == 'merges':
            name = '.'.join(['layers', part[1], 'downsample', *part[2:]])
        elif part[0] == 'out_norms':
            continue
        state[name] = value
    return state


def test_video_weights_from_a_kinetics_file(tmp_path):
    source = randomise(VideoSwinBackbone(**TINY))
    state = {f'backbone.{k}': v for k, v in reference_names(source).items()}
    kernel = torch.randn(8, 3, 2, 4, 4)
    state['backbone.patch_embed.proj.weight'] = kernel
    state |= {'backbone.norm.weight': torch.ones(64), 'backbone.norm.bias': torch.zeros(64),
              'cls_head.fc_cls.weight': torch.ones(4, 64),
              'backbone.layers.0.blocks.0.attn.relative_position_index': torch.zeros(392, 392, dtype=torch.long)}
    torch.save({'state_dict': state, 'meta': {'epoch': 30}}, tmp_path / 'kinetics.pth')
    backbone = VideoSwinBackbone(**TINY, init_cfg={'type': 'Pretrained', 'checkpoint': str(tmp_path / 'kinetics.pth')})
    backbone.init_weights()
    torch.testing.assert_close(backbone.patch_embed.proj.weight, kernel[:, :, 0] + kernel[:, :, 1])
    for name, value in source.state_dict().items():
        if name != 'patch_embed.proj.weight':
            assert torch.equal(backbone.state_dict()[name], value), name


def test_image_weights_from_an_imagenet_file_leave_output_norms_new(tmp_path):
    source = randomise(SwinBackbone(**TINY))
    state = reference_names(source) | {'norm.weight': torch.ones(64), 'head.weight': torch.ones(10, 64),
                                       'layers.0.blocks.1.attn_mask': torch.zeros(64, 49, 49)}
    torch.save({'model': state}, tmp_path / 'imagenet.pth')
    backbone = SwinBackbone(**TINY, init_cfg={'type': 'Pretrained', 'checkpoint': str(tmp_path / 'imagenet.pth')})
    backbone.init_weights()
    assert torch.equal(backbone.stages[2][1].attn.qkv.weight, source.stages[2][1].attn.qkv.weight)
    assert torch.equal(backbone.merges[1].reduction.weight, source.merges[1].reduction.weight)
    assert torch.equal(backbone.out_norms[0].weight, torch.ones(8))


def test_weights_of_another_size_are_refused(tmp_path):
    torch.save({'model': reference_names(SwinBackbone(**TINY))}, tmp_path / 'tiny.pth')
    pretrained = {'type': 'Pretrained', 'checkpoint': str(tmp_path / 'tiny.pth')}
    larger = SwinBackbone(**{**TINY, 'depths': (2, 2, 4, 2)}, init_cfg=pretrained)
    with pytest.raises(CheckpointError, match=r'missing: stages\.2\.2\.'):
        larger.init_weights()
    wider = SwinBackbone(**{**TINY, 'embed_dim': 16}, init_cfg=pretrained)
    with pytest.raises(CheckpointError, match=r'shape of patch_embed\.proj\.weight: expected \(16, 3, 4, 4\)'):
        wider.init_weights()


def test_settings_are_checked():
    with pytest.raises(ValueError, match='depths and num_heads'):
        SwinBackbone(depths=(2, 2, 2), num_heads=(1, 2))
    with pytest.raises(ValueError, match='window_size must be'):
        VideoSwinBackbone(window_size=(7, 7))
    with pytest.raises(ValueError, match='out_norm'):
        SwinBackbone(out_norm=(True, False))
    with pytest.raises(TypeError, match='window_sice'):
        VideoSwinBackbone(window_sice=(8, 7, 7))
