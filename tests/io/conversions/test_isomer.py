"""Both released Isomers convert strictly, and their files tell whether the semantic fusion was trained."""

from pathlib import Path

import pytest
import torch

from mmlvs.io.conversion import ConversionError, convert_state_dict
from mmlvs.io.conversions.isomer import ISOMER, isomer_remarks, semantic_part_was_trained
from mmlvs.io.conversions.mix_transformer import MIX_TRANSFORMER
from mmlvs.io.weight_files import convert_content, read_manifest
from mmlvs.registry import MODELS

ROOT = Path(__file__).parents[3]
# release: our config, entries of its file, those that windows tell
RELEASES = dict(swin_tiny=('swin-t', 492, 24), mit_b0=('mit-b0', 482, 0))


def _file(release):
    return read_manifest(ROOT / 'tests' / 'data' / 'parity' / 'isomer' / f'manifest_isomer_{release}.json')


def _as_published(state):
    """What the authors' training leaves in a file."""
    return dict(epoch=5, optimizer=dict(lr=1.0), network={f'module.{name}': value for name, value in state.items()})


@pytest.mark.parametrize('release', RELEASES)
def test_released_files_convert_strictly(release):
    config, entries, derived = RELEASES[release]
    source = _file(release)
    converted = convert_content(_as_published(source), ISOMER, configs=ROOT / 'configs')
    assert converted.origin == f'configs/_base_/models/isomer_{config}.py' and len(source) == entries
    weights = converted.weights
    assert set(weights.dropped.values()) <= {'derived from the window'} and len(weights.dropped) == derived
    assert len(weights.state_dict) == converted.filled == entries - derived and not weights.kept
    assert all(fusion['scatter'] == 'none' for fusion in converted.settings['fusions'][2:])


@pytest.mark.parametrize('release', RELEASES)
def test_a_tensor_too_few_or_too_many_is_an_error(release):
    source = _file(release)
    del source['fusion_module2.bg_soft_weights.bias']
    source['decode_head.linear_c5.proj.bias'] = torch.empty(4, device='meta')
    with pytest.raises(ConversionError, match=r'(?s)linear_c5.*missing: fusions.2.background.soft_weights.bias'):
        convert_content(source, ISOMER, configs=ROOT / 'configs')


def test_files_tell_whether_the_semantic_fusion_was_trained():
    assert semantic_part_was_trained(convert_content(_file('mit_b0'), ISOMER, configs=ROOT / 'configs')
                                     .weights.state_dict) is None
    module = MODELS.build(dict(type='SemanticGatheringScatteringTransformer', channels=8, num_heads=2))
    state = {f'fusions.2.{name}': value.clone() for name, value in module.state_dict().items()}
    assert semantic_part_was_trained(state) is False and "'none'" in isomer_remarks(state)[0]
    state['fusions.2.foreground.attentions.0.norm.weight'][3] += 1e-6
    assert semantic_part_was_trained(state) is True and 'TRAINED' in isomer_remarks(state)[0]
    state['fusions.2.foreground.attentions.0.norm.weight'][3] = 1
    state['fusions.2.background.attentions.0.attention.in_proj_bias'][0] = 1e-9
    assert semantic_part_was_trained(state) is True


def test_imagenet_file_of_mix_transformer():
    """Its classifier goes, our own names pass, settings follow but for the heads."""
    source = {name.removeprefix('backbone_x.'): value for name, value in _file('mit_b0').items()
              if name.startswith('backbone_x.')}
    source['head.weight'] = torch.empty(1000, 256, device='meta')
    told = MIX_TRANSFORMER.recognise(source)
    with torch.device('meta'):
        target = MODELS.build({**told, 'num_heads': (1, 2, 5, 8)}).state_dict()
    first = MIX_TRANSFORMER.convert(source, target)
    assert set(first.state_dict) == set(target) and list(first.dropped) == ['head.weight']
    second = convert_state_dict(first.state_dict, MIX_TRANSFORMER.rules, target)
    assert set(second.state_dict) == set(target)
