"""Networks for images applied to every frame of a clip."""

import pytest
import torch
from torch import nn

from mmlvs.models.backbones import FrameBackbone
from mmlvs.registry import MODELS


class Pyramid(nn.Module):
    """Two maps, the second of half the size."""

    def __init__(self):
        super().__init__()
        self.fine, self.coarse = nn.Conv2d(3, 4, 4, stride=4), nn.Conv2d(4, 6, 2, stride=2)

    def forward(self, x):
        return self.fine(x), self.coarse(self.fine(x))


def test_every_frame_passes_the_network():
    backbone = FrameBackbone(network=Pyramid(), out_channels=(4, 6), out_strides=(4, 8))
    clips = torch.randn(2, 3, 3, 16, 24)
    maps = backbone(clips)
    assert [tuple(x.shape) for x in maps] == [(2, 3, 4, 4, 6), (2, 3, 6, 2, 3)]
    for b in range(2):
        for t in range(3):
            for x, want in zip(maps, backbone.network(clips[b, t][None]), strict=True):
                torch.testing.assert_close(x[b, t], want[0])


def test_what_the_network_says_of_itself_is_taken():
    network = Pyramid()
    network.out_channels, network.out_strides = (4, 6), (4, 8)
    backbone = FrameBackbone(network=network)
    assert backbone.out_channels == (4, 6) and backbone.out_strides == (4, 8)


def test_settings_are_checked():
    with pytest.raises(ValueError, match='Pyramid does not say how many channels'):
        FrameBackbone(network=Pyramid())
    with pytest.raises(ValueError, match='one entry for each map'):
        FrameBackbone(network=Pyramid(), out_channels=(4, 6))
    backbone = FrameBackbone(network=Pyramid(), out_channels=(4, 8), out_strides=(4, 8))
    with pytest.raises(ValueError, match=r'out_channels is \(4, 8\), but Pyramid gives maps of \(4, 6\)'):
        backbone(torch.randn(1, 1, 3, 16, 16))


def test_missing_toolbox_is_named(monkeypatch):
    import sys
    monkeypatch.setitem(sys.modules, 'timm', None)
    with pytest.raises(ImportError, match=r'pip install -r requirements/full.txt'):
        MODELS.build(dict(type='FrameBackbone', network=dict(type='TimmNetwork', name='convnext_atto')))
    monkeypatch.setitem(sys.modules, 'mmdet.models', None)
    with pytest.raises(ImportError, match=r'"mmdet" is asked for'):
        MODELS.build(dict(type='FrameBackbone', network=dict(type='mmdet.ResNet', depth=18), out_channels=(1, )))
