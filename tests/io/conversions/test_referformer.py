"""Every released ReferFormer converts strictly, into the network of the config that names and shapes tell."""

from pathlib import Path

import pytest
import torch

from mmlvs.io.conversion import ConversionError
from mmlvs.io.conversions.referformer import REFERFORMER
from mmlvs.io.weight_files import convert_content, read_manifest

ROOT = Path(__file__).parents[3]
# release: our config, entries of its file
RELEASES = dict(
    resnet50=('r50', 804), resnet101=('r101', 1059), swin_t=('swin-t', 728), swin_l=('swin-l', 896),
    video_swin_t=('video-swin-t', 720), video_swin_s=('video-swin-s', 888), video_swin_b=('video-swin-b', 888))


def _file(release):
    return read_manifest(ROOT / 'tests' / 'data' / 'parity' / 'referformer' / f'manifest_{release}.json')


@pytest.mark.parametrize('release', RELEASES)
def test_released_files_convert_strictly(release):
    config, entries = RELEASES[release]
    source = _file(release)
    converted = convert_content({'model': source}, REFERFORMER, configs=ROOT / 'configs')
    weights = converted.weights
    assert converted.origin == f'configs/_base_/models/referformer_{config}.py' and len(source) == entries
    assert len(weights.state_dict) == converted.filled  # everything is filled, counters with zeros
    assert len(weights.state_dict) - len(weights.kept) + len(weights.dropped) == entries  # everything is accounted for
    assert all(name.endswith('num_batches_tracked') for name in weights.kept)
    reasons = set(weights.dropped.values())
    assert reasons == {'second name of a box head'} | (set() if 'resnet' in release else {'derived from the window'})


def test_old_files_hold_position_ids_and_wrong_configs_are_refused():
    source = {**_file('swin_t'), 'text_encoder.embeddings.position_ids': torch.zeros(1, 514, dtype=torch.int64)}
    models = ROOT / 'configs' / '_base_' / 'models'
    fitting = convert_content(source, REFERFORMER, configs=ROOT, config=models / 'referformer_swin-t.py')
    assert 'text_encoder.embeddings.position_ids' in fitting.weights.dropped
    with pytest.raises(ConversionError, match='referformer_swin-l.py: .* is the file of another network'):
        convert_content(source, REFERFORMER, configs=ROOT, config=models / 'referformer_swin-l.py')


def test_queries_and_classes_follow_the_file_and_a_backbone_of_another_size_asks_for_a_config():
    source = _file('swin_t')
    source['query_embed.weight'] = torch.empty(7, 256)
    source.update({f'class_embed.{i}.{kind}': torch.empty(65, *([256] if kind == 'weight' else []))
                   for i in range(4) for kind in ('weight', 'bias')})
    settings = convert_content(source, REFERFORMER, configs=ROOT / 'configs').settings
    assert (settings['num_queries'], settings['num_classes']) == (7, 65)
    source['backbone.0.body.patch_embed.proj.weight'] = torch.empty(64, 3, 4, 4)
    with pytest.raises(ConversionError, match=r"no config .* agrees .*'embed_dim': 64.*name a config"):
        convert_content(source, REFERFORMER, configs=ROOT / 'configs')
    with pytest.raises(ConversionError, match=r"nothing in the file becomes 'query_position'|patch_embed"):
        convert_content({'conv1.weight': torch.ones(1)}, REFERFORMER, configs=ROOT / 'configs')
