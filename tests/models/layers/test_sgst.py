"""Semantic Gathering-Scattering Transformer."""

import pytest
import torch
from torch import nn

from mmlvs.models.layers import SemanticGatheringScatteringTransformer


def build(scatter='position', threshold=0.5, **settings):
    torch.manual_seed(1)
    module = SemanticGatheringScatteringTransformer(channels=8, num_points=3, num_heads=2, ffn_ratio=2, scatter=scatter,
                                                    threshold=threshold, **settings)
    for name, parameter in module.named_parameters():
        if 'norm' not in name:
            nn.init.normal_(parameter, std=0.4)
    return module.double().eval()


def maps(batch=2, size=(5, 6)):
    return torch.randn(2, batch, 8, *size, dtype=torch.double)


def plain(module, x, y):
    """The paper's formula written out, one position at a time."""
    fused = module.project(torch.cat([x, y], 1))
    heat = torch.sigmoid(module.heat_map(fused))
    result = fused.clone()
    for b in range(len(fused)):
        every = [(i, j) for i in range(fused.shape[2]) for j in range(fused.shape[3])]
        places = [[place for place in every if keep(float(heat[b, 0][place]))] for keep in (
            lambda h: h >= module.threshold, lambda h: h < 1 - module.threshold)]
        if not all(places):
            continue
        for branch, chosen, weight in zip((module.foreground, module.background), places, (heat[b], 1 - heat[b]),
                                          strict=True):
            gathered = fused[b] * weight
            weights = branch.soft_weights(gathered[None])[0]
            tokens = torch.stack([(weights[k] * gathered).sum((1, 2)) for k in range(3)])
            q = torch.stack([fused[b, :, i, j] for i, j in chosen])
            for attention, ffn in zip(branch.attentions, branch.ffns, strict=True):
                found, _ = attention.attention(q[:, None], tokens[:, None], tokens[:, None])
                q = attention.norm(q + found[:, 0])
                q = ffn(q[None, :, None])[0, :, 0]
            for vector, (i, j) in zip(q, chosen, strict=True):
                result[b, :, i, j] = vector
    return result


@pytest.mark.parametrize('threshold', [0.3, 0.5, 0.6, 0.7])
def test_position_is_the_formula(threshold):
    module, (x, y) = build(threshold=threshold), maps()
    assert torch.allclose(module(x, y), plain(module, x, y), atol=1e-11)


def test_layers_follow_each_other():
    module, (x, y) = build(num_layers=2), maps()
    assert len(module.foreground.ffns) == 2 and torch.allclose(module(x, y), plain(module, x, y), atol=1e-11)


def test_none_is_the_projection_and_leaves_the_branches_without_gradient():
    module, (x, y) = build('none'), maps()
    result = module(x, y)
    assert torch.equal(result, module.project(torch.cat([x, y], 1)))
    result.sum().backward()
    assert {name for name, p in module.named_parameters() if p.grad is not None} == {'project.weight', 'project.bias'}


@pytest.mark.parametrize('sign', [-1, 1])
@pytest.mark.parametrize('scatter', ['position', 'memory_order'])
def test_a_map_of_one_class_is_left_alone(scatter, sign):
    module, (x, y) = build(scatter), maps()
    nn.init.zeros_(module.heat_map.weight)
    nn.init.constant_(module.heat_map.bias, sign * 5.0)
    assert torch.equal(module(x, y), module.project(torch.cat([x, y], 1)))


def test_above_one_half_some_positions_are_neither():
    module, (x, y) = build(threshold=0.7), maps()
    fused = module.project(torch.cat([x, y], 1))
    heat = module.heat(fused)
    neither = (heat < 0.7) & (heat >= 1 - 0.7)
    changed = (module(x, y) != fused).any(1, keepdim=True)
    assert neither.any() and torch.equal(changed, ~neither)


def test_everything_gets_a_gradient_with_position():
    module, (x, y) = build(), maps()
    module(x, y).square().sum().backward()
    missing = [name for name, p in module.named_parameters() if p.grad is None and 'heat_map' not in name]
    assert not missing and module.heat_map.weight.grad.abs().sum() > 0  # the heat weighs what is gathered


def test_settings_are_checked():
    with pytest.raises(ValueError, match="'places', expected one of"):
        build('places')
    with pytest.raises(ValueError, match='threshold 1.0'):
        build(threshold=1.0)
