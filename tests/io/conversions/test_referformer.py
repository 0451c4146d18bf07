"""Every released ReferFormer converts strictly; full-size networks stand on the meta device."""

import json
from pathlib import Path

import pytest
import torch

from mmlvs.io.conversion import ConversionError
from mmlvs.io.conversions.referformer import backbone_kind, convert_referformer, referformer_state
from mmlvs.models import ReferFormer

MANIFESTS = Path(__file__).parents[2] / 'data' / 'parity' / 'referformer'
SWIN = dict(t=(96, (2, 2, 6, 2), (3, 6, 12, 24)), s=(96, (2, 2, 18, 2), (3, 6, 12, 24)),
            b=(128, (2, 2, 18, 2), (4, 8, 16, 32)), l=(192, (2, 2, 18, 2), (6, 12, 24, 48)))
# release: kind of backbone, entries of the file, parameters with every batch norm counted
RELEASES = dict(
    resnet50=('resnet', 804, 176262207 + 53120), resnet101=('resnet', 1059, 195202111 + 105344),
    swin_t=('swin', 728, 176764473), swin_l=('swin', 896, 346380051), video_swin_t=('video_swin', 720, 177088101),
    video_swin_s=('video_swin', 888, 198746709), video_swin_b=('video_swin', 888, 237587271))


def _network(release):
    if release.startswith('resnet'):
        backbone = dict(type='ResNetBackbone', depths=(3, 4, 6 if release == 'resnet50' else 23, 3))
    else:
        width, depths, heads = SWIN[release[-1]]
        kind = 'VideoSwinBackbone' if release.startswith('video') else 'SwinBackbone'
        backbone = dict(type=kind, embed_dim=width, depths=depths, num_heads=heads)
    with torch.device('meta'):
        return ReferFormer(
            backbone=backbone, transformer=dict(type='DeformableTransformer'), pixel_decoder=dict(type='CrossModalFPN'),
            mask_head=dict(type='DynamicMaskHead'),
            text_encoder=dict(type='RobertaTextEncoder',
                              tokenizer=dict(type='PretrainedTokenizer', path='roberta-base')))


def _file(release):
    manifest = json.loads((MANIFESTS / f'manifest_{release}.json').read_text())
    return {name: torch.empty(shape, dtype=getattr(torch, kind), device='meta')
            for name, (kind, *shape) in manifest.items()}


@pytest.mark.parametrize('release', RELEASES)
def test_released_files_convert_strictly(release):
    kind, entries, parameters = RELEASES[release]
    source, network = _file(release), _network(release)
    assert len(source) == entries and backbone_kind(source) == kind
    assert sum(p.numel() for p in network.parameters()) == parameters
    outcome = convert_referformer({'model': source}, network.state_dict())
    assert len(outcome.state_dict) + len(outcome.dropped) == entries
    left = network.load_state_dict(outcome.state_dict, strict=False, assign=True)
    assert set(left.missing_keys) <= set(outcome.kept) and not left.unexpected_keys
    kept = [name for name in outcome.kept if not name.endswith('num_batches_tracked')]
    assert not kept


def test_old_files_hold_position_ids():
    source = {**_file('swin_t'), 'text_encoder.embeddings.position_ids': torch.zeros(1, 514)}
    outcome = convert_referformer(source, _network('swin_t').state_dict())
    assert 'text_encoder.embeddings.position_ids' in outcome.dropped


def test_the_wrong_config_is_refused():
    with pytest.raises(ConversionError, match='is the file of another network'):
        convert_referformer(_file('swin_t'), _network('swin_l').state_dict())


def test_tensors_of_a_checkpoint_file():
    state = {'module.a': torch.ones(1), 'b': torch.zeros(1)}
    assert set(referformer_state({'model': state, 'epoch': 3})) == {'a', 'b'} == set(referformer_state(state))
