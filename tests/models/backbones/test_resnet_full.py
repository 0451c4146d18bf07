"""ResNet with frozen batch norm against MMDetection's."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlvs.models.backbones import ResNetBackbone

pytestmark = pytest.mark.full


def randomise(module):
    """Weights and statistics that leave no part of the network idle."""
    for name, value in module.state_dict().items():
        if name.endswith('running_var'):
            value.uniform_(0.5, 1.5)
        elif value.is_floating_point():
            value.normal_(1.0 if value.ndim == 1 and name.endswith('weight') else 0.0, 0.1 if value.ndim == 1 else 0.05)


def pair(depths, base_width, frozen):
    from mmdet.models.backbones import ResNet

    class Other(ResNet):
        arch_settings = {50: (ResNet.arch_settings[50][0], depths)}

    ours = ResNetBackbone(depths=depths, base_width=base_width, frozen_stages=frozen).double()
    randomise(ours)
    theirs = Other(depth=50, stem_channels=base_width, base_channels=base_width, frozen_stages=frozen, norm_eval=True,
                   norm_cfg=dict(type='BN', requires_grad=False)).double()
    theirs.load_state_dict(ours.state_dict())
    ours.train()
    theirs.train()
    return ours, theirs


@settings(max_examples=8, deadline=None)
@given(depths=st.tuples(*[st.integers(1, 2)] * 4), base_width=st.sampled_from((2, 4, 8)), frozen=st.integers(-1, 3),
       height=st.integers(33, 80), width=st.integers(33, 80), seed=st.integers(0, 999))
def test_values_and_gradients(depths, base_width, frozen, height, width, seed):
    torch.manual_seed(seed)
    ours, theirs = pair(depths, base_width, frozen)
    clip = torch.randn(1, 2, 3, height, width, dtype=torch.float64, requires_grad=frozen < 0)
    got, want = ours(clip), theirs(clip[0])
    assert len(got) == len(want) == 4
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a[0], b, rtol=1e-9, atol=1e-10)
    weights = [torch.randn_like(b) for b in want]
    sum((a[0] * w).sum() for a, w in zip(got, weights, strict=True)).backward()
    gradient = clip.grad
    clip.grad = None
    sum((b * w).sum() for b, w in zip(want, weights, strict=True)).backward()
    if frozen < 0:
        torch.testing.assert_close(gradient, clip.grad, rtol=1e-8, atol=1e-9)
    others = dict(theirs.named_parameters())
    trained = {name for name, parameter in ours.named_parameters() if parameter.grad is not None}
    assert trained and trained == {name for name, parameter in others.items() if parameter.grad is not None}
    for name, parameter in ours.named_parameters():
        if name in trained:
            torch.testing.assert_close(parameter.grad, others[name].grad, rtol=1e-8, atol=1e-8, msg=name)


@pytest.mark.parametrize(('depth', 'depths'), [(50, (3, 4, 6, 3)), (101, (3, 4, 23, 3))])
def test_published_networks_have_the_same_weights(depth, depths):
    from mmdet.models.backbones import ResNet
    with torch.device('meta'):
        ours, theirs = ResNetBackbone(depths=depths), ResNet(depth=depth)
    assert ({name: value.shape for name, value in ours.state_dict().items()}
            == {name: value.shape for name, value in theirs.state_dict().items()})
