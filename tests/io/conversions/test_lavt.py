"""Every released LAVT converts strictly, into the network of the config that names and shapes tell."""

from pathlib import Path

import pytest
import torch

from mmlvs.io.conversion import ConversionError
from mmlvs.io.conversions.backbones import fit_bias_table
from mmlvs.io.conversions.lavt import LAVT, LAVT_ONE, LAVT_VIDEO, clip_kernel, linear_weight
from mmlvs.io.weight_files import convert_content, read_manifest

ROOT = Path(__file__).parents[3]
# release: format, our config, entries of its file
RELEASES = dict(
    lavt_one_swin_base_w12=(LAVT_ONE, 'lavt_one_swin-b', 648), lavt_video_tiny=(LAVT_VIDEO, 'lavt_video-swin-t', 512),
    lavt_video_small=(LAVT_VIDEO, 'lavt_video-swin-s', 680), lavt_video_base=(LAVT_VIDEO, 'lavt_video-swin-b', 680))
REASONS = {'derived from the window', 'the last gate, which reaches no output'}


def _file(release):
    return read_manifest(ROOT / 'tests' / 'data' / 'parity' / 'lavt' / f'manifest_{release}.json')


def _convert(content, form):
    return convert_content(content, form, configs=ROOT / 'configs')


@pytest.mark.parametrize('release', RELEASES)
def test_released_files_convert_strictly(release):
    form, config, entries = RELEASES[release]
    source = _file(release)
    converted = _convert({'model': source, 'optimizer': {}, 'epoch': 39}, form)
    weights = converted.weights
    assert converted.origin == f'configs/_base_/models/{config}.py' and len(source) == entries
    assert len(weights.state_dict) == converted.filled and not weights.kept
    assert len(weights.state_dict) + len(weights.dropped) == entries and set(weights.dropped.values()) == REASONS


def test_the_two_halves_of_lavt():
    network, text = _file('lavt_swin_base_w12'), _file('bert_model')
    both = _convert({'model': network, 'bert_model': text}, LAVT)
    assert both.origin == 'configs/_base_/models/lavt_swin-b.py' and not both.weights.kept
    assert len(both.weights.state_dict) == both.filled == len(network) + len(text) - len(both.weights.dropped)
    assert set(both.weights.dropped.values()) == REASONS
    halves = [_convert(half, LAVT).weights for half in (network, text)]  # lists of names and shapes
    converted = {name for half in halves for name in half.state_dict if name not in half.kept}
    assert converted == set(both.weights.state_dict)
    assert all('other half' in reason or 'counter' in reason for half in halves for reason in half.kept.values())
    with pytest.raises(ConversionError, match='"bert_model" beside the network'):
        _convert({'model': network, 'epoch': 3}, LAVT)


def test_what_does_not_fit_is_refused():
    source = _file('lavt_video_tiny')
    del source['backbone.layers.1.fusion.W_t.0.bias']
    with pytest.raises(ConversionError, match=r'missing: backbone.fusions.1.attended.branches.0.0.conv.bias'):
        _convert(source, LAVT_VIDEO)
    with pytest.raises(ConversionError, match='no image Swin'):
        _convert(source, LAVT_ONE)
    source = {**_file('lavt_one_swin_base_w12'), 'backbone.layers.0.fusion.extra': torch.empty(1)}
    with pytest.raises(ConversionError, match='no rule for .*fusion.extra'):
        _convert(source, LAVT_ONE)


def test_a_file_without_the_last_gate_converts_too():
    """The authors' larger video networks drop it when activations are recomputed."""
    source = {name: value for name, value in _file('lavt_video_base').items() if '.3.res_gate.' not in name}
    converted = _convert(source, LAVT_VIDEO)
    assert len(converted.weights.state_dict) == converted.filled


def test_kernels():
    assert clip_kernel(torch.zeros(4, 3, 1)).shape == clip_kernel(torch.zeros(4, 3)).shape == (4, 3, 1, 1, 1)
    assert clip_kernel(torch.zeros(4, 3, 3, 1, 1)).shape == (4, 3, 3, 1, 1)
    assert clip_kernel(torch.zeros(4)).shape == (4, )
    assert linear_weight(torch.zeros(4, 3, 1)).shape == (4, 3)


def test_bias_tables_of_other_windows():
    table = torch.randn(49, 2)
    assert fit_bias_table(table, (1, 4, 4)) is table
    assert fit_bias_table(table, (1, 7, 7)).shape == (169, 2)
    clip = fit_bias_table(table, (3, 4, 4))
    assert torch.equal(clip.view(5, 49, 2), table.expand(5, -1, -1))  # the same for every offset in time
    other = torch.randn(3 * 49, 2)  # of a clip window: nothing is known to make it fit
    assert fit_bias_table(other, (3, 4, 4)) is other
