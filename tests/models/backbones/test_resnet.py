"""ResNet with frozen batch norm."""

import math

import pytest
import torch

from mmlvs.models.backbones import ResNetBackbone

TINY = {'depths': (1, 2, 1, 1), 'base_width': 4}


def randomise(backbone):
    torch.manual_seed(0)
    backbone.init_weights()
    for module in backbone.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
            torch.nn.init.normal_(module.weight, 1, 0.1)
            torch.nn.init.normal_(module.bias, std=0.1)
    return backbone


@pytest.mark.parametrize(('height', 'width'), [(64, 96), (45, 61), (7, 33)])
def test_maps_have_ceil_sizes(height, width):
    backbone = ResNetBackbone(**TINY).eval()
    with torch.no_grad():
        maps = backbone(torch.randn(2, 3, 3, height, width))
    assert backbone.out_channels == (16, 32, 64, 128)
    for x, channels, stride in zip(maps, backbone.out_channels, backbone.out_strides, strict=True):
        assert x.shape == (2, 3, channels, math.ceil(height / stride), math.ceil(width / stride))


def test_stem_first_stage_and_norms_are_frozen():
    backbone = randomise(ResNetBackbone(**TINY)).train()
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    sum(x.mean() for x in backbone(torch.randn(1, 2, 3, 64, 64))).backward()
    for name, parameter in backbone.named_parameters():
        trained = name.startswith(('layer2', 'layer3', 'layer4')) and 'bn' not in name and 'downsample.1' not in name
        assert (parameter.grad is not None) is trained, name
    for name, value in backbone.state_dict().items():  # running statistics and counters included
        assert torch.equal(value, before[name]), name


def test_frozen_norm_is_the_affine_map_of_its_statistics():
    backbone = randomise(ResNetBackbone(**TINY)).train()
    x, norm = torch.randn(2, 4, 5, 5), backbone.bn1
    scale = norm.weight / (norm.running_var + 1e-5).sqrt()
    want = x * scale[:, None, None] + (norm.bias - norm.running_mean * scale)[:, None, None]
    torch.testing.assert_close(norm(x), want)


def test_train_and_eval_give_the_same_numbers():
    backbone = randomise(ResNetBackbone(**TINY))
    clip = torch.randn(1, 2, 3, 40, 40)
    with torch.no_grad():
        for a, b in zip(backbone.train()(clip), backbone.eval()(clip), strict=True):
            assert torch.equal(a, b)


def test_norm_can_be_trained_beyond_the_frozen_stages():
    backbone = randomise(ResNetBackbone(**TINY, frozen_norm=False, frozen_stages=1)).train()
    assert not backbone.bn1.training and not backbone.layer1[0].bn1.training and backbone.layer2[0].bn1.training
    sum(x.square().mean() for x in backbone(torch.randn(1, 2, 3, 64, 64))).backward()
    assert backbone.layer2[0].bn1.weight.grad is not None and backbone.layer1[0].bn1.weight.grad is None


def test_recomputation_gives_the_same_gradients():
    clip, gradients = torch.randn(1, 2, 3, 40, 40), []
    for with_cp in (False, True):
        backbone = randomise(ResNetBackbone(**TINY, with_cp=with_cp)).train()
        sum(x.square().mean() for x in backbone(clip)).backward()
        gradients.append([p.grad for p in backbone.parameters() if p.requires_grad])
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b)


def test_equals_the_resnet_of_transformers():
    from transformers import ResNetBackbone as TransformersBackbone
    from transformers import ResNetConfig

    ours = randomise(ResNetBackbone(**TINY)).double().eval()
    config = ResNetConfig(embedding_size=4, hidden_sizes=[16, 32, 64, 128], depths=[1, 2, 1, 1],
                          layer_type='bottleneck', downsample_in_bottleneck=False,
                          out_features=['stage1', 'stage2', 'stage3', 'stage4'])
    theirs = TransformersBackbone(config).double().eval()
    target = [v for k, v in theirs.state_dict().items() if 'num_batches' not in k]
    state = ours.state_dict()
    order = ['conv1', 'bn1']
    for stage, depth in enumerate(TINY['depths'], start=1):
        for block in range(depth):
            head = f'layer{stage}.{block}.'
            if head + 'downsample.0.weight' in state:
                order += [head + 'downsample.0', head + 'downsample.1']
            order += [head + f'{part}{i}' for i in (1, 2, 3) for part in ('conv', 'bn')]
    source = [state[f'{name}.{leaf}'] for name in order
              for leaf in ('weight', 'bias', 'running_mean', 'running_var') if f'{name}.{leaf}' in state]
    assert len(source) == len(target)
    for a, b in zip(source, target, strict=True):
        b.copy_(a)
    clip = torch.randn(1, 2, 3, 45, 61, dtype=torch.float64)
    with torch.no_grad():
        for a, b in zip(ours(clip), theirs(clip[0]).feature_maps, strict=True):
            torch.testing.assert_close(a[0], b, rtol=0, atol=1e-10)


def test_sizes_of_the_published_networks():
    for depths, trained, total in (((3, 4, 6, 3), 23_232_512, 23_454_912), ((3, 4, 23, 3), 42_172_416, 42_394_816)):
        with torch.device('meta'):
            backbone = ResNetBackbone(depths=depths)
        assert sum(p.numel() for p in backbone.parameters() if p.requires_grad) == trained
        weights = [p for n, p in backbone.named_parameters() if 'bn' not in n and 'downsample.1' not in n]
        assert sum(p.numel() for p in weights) == total  # frozen norms not counted


def test_weights_from_an_imagenet_file(tmp_path):
    source = randomise(ResNetBackbone(**TINY))
    state = source.state_dict() | {'fc.weight': torch.ones(5, 128), 'fc.bias': torch.ones(5)}
    torch.save({k: v for k, v in state.items() if 'num_batches' not in k}, tmp_path / 'resnet.pth')
    backbone = ResNetBackbone(**TINY, init_cfg={'type': 'Pretrained', 'checkpoint': str(tmp_path / 'resnet.pth')})
    assert not torch.equal(backbone.conv1.weight, source.conv1.weight)  # nothing is read before init_weights
    backbone.init_weights()
    for name, value in source.state_dict().items():
        assert torch.equal(backbone.state_dict()[name], value), name


def test_settings_are_checked():
    with pytest.raises(ValueError, match='four stages'):
        ResNetBackbone(depths=(1, 1))
    with pytest.raises(ValueError, match='frozen_stages'):
        ResNetBackbone(frozen_stages=5)
