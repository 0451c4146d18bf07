"""Networks of timm as backbones."""

import pytest
import torch

from mmlvs.io.checkpoint import CheckpointError
from mmlvs.models.backbones import FrameBackbone, TimmNetwork
from mmlvs.registry import MODELS

pytestmark = pytest.mark.full


@pytest.mark.parametrize(('name', 'options'), [
    ('test_convnext', {}), ('test_resnet', {}),
    ('swin_tiny_patch4_window7_224', dict(img_size=(64, 96), embed_dim=24))])
def test_maps_are_timms(name, options):
    import timm
    torch.manual_seed(0)
    backbone = MODELS.build(dict(type='FrameBackbone', network=dict(type='TimmNetwork', name=name, options=options)))
    backbone.double().eval()
    clips = torch.randn(2, 3, 3, 64, 96, dtype=torch.float64)
    model = timm.create_model(name, **options).double().eval()
    theirs, ours = model.state_dict(), backbone.network.features.state_dict()
    for key, value in ours.items():  # timm joins the first two parts of some names
        value.copy_(theirs[key if key in theirs else key.replace('_', '.', 1)])
    with torch.no_grad():
        maps, last = backbone(clips), model.forward_intermediates(clips.flatten(0, 1), intermediates_only=True)
    assert backbone.out_strides == (4, 8, 16, 32)
    for x, channels, stride in zip(maps, backbone.out_channels, backbone.out_strides, strict=True):
        assert x.shape == (2, 3, channels, 64 // stride, 96 // stride)
    torch.testing.assert_close(maps[-1].flatten(0, 1), last[-1])


def test_weights_from_a_file(tmp_path):
    import timm
    torch.manual_seed(1)
    source, path = timm.create_model('test_resnet'), tmp_path / 'resnet.pth'
    torch.save(source.state_dict(), path)
    settings = dict(name='test_resnet', init_cfg=dict(type='Pretrained', checkpoint=str(path)))
    backbone = FrameBackbone(network=TimmNetwork(**settings))
    weight = backbone.network.features.state_dict()['conv1.0.weight'].clone()
    backbone.init_weights()
    loaded, state = backbone.network.features.state_dict(), source.state_dict()
    assert not torch.equal(weight, loaded['conv1.0.weight'])
    assert loaded and all(torch.equal(value, state[key]) for key, value in loaded.items())
    state['conv1.0.weight'] = torch.zeros(1, 1)
    torch.save(state, path)
    with pytest.raises(RuntimeError, match='conv1'):
        TimmNetwork(**settings).init_weights()
    path.write_bytes(b'nothing')
    with pytest.raises(CheckpointError):
        TimmNetwork(**settings).init_weights()
    path.unlink()
    with pytest.raises(FileNotFoundError):
        TimmNetwork(**settings).init_weights()


def test_settings_are_checked():
    with pytest.raises(ValueError, match="has no model 'convnxt'"):
        TimmNetwork(name='convnxt')
    with pytest.raises(ValueError, match='no map of stride'):
        TimmNetwork(name='test_vit')
    with pytest.raises(ValueError, match="type 'Pretrained'"):
        TimmNetwork(name='test_resnet', init_cfg=dict(type='PretrainedExcept', checkpoint='x', skip=['a']))
    with pytest.raises(TypeError, match='no_such_option'):
        TimmNetwork(name='test_resnet', options=dict(no_such_option=1))
    assert TimmNetwork(name='test_resnet', strides=(8, 32)).out_channels == (48, 96)
