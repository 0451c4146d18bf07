"""Reading, recognising and writing files with weights."""

import argparse
import json
from collections import Counter

import pytest
import torch
from mmengine.config import Config
from safetensors.torch import load_file, save_file

from mmlvs.io.checkpoint import CheckpointError
from mmlvs.io.conversion import Conversion, ConversionError, Rule, WeightFormat
from mmlvs.io.weight_files import (
    Converted,
    agrees,
    convert_content,
    find_settings,
    find_weights_file,
    read_manifest,
    read_weights,
    write_converted,
)

FORM = WeightFormat(name='small', about='a small one', part='backbone', rules=(Rule('(.*)', r'\1'), ),
                    configs='small_*.py', settings=lambda state: {})


class Dangerous:
    ran = False

    def __reduce__(self):
        return (setattr, (Dangerous, 'ran', True))


def test_options_of_a_training_script_are_read_as_data(tmp_path):
    options = argparse.Namespace(lr=1e-4, name='run', drops=[3, 5])
    torch.save({'model': {'a': torch.ones(2)}, 'args': options, 'epoch': 5,
                'lr_scheduler': {'milestones': Counter([3, 5])}}, tmp_path / 'released.pth')
    content = read_weights(tmp_path / 'released.pth')
    assert content['args'] == options and torch.equal(content['model']['a'], torch.ones(2))


@pytest.mark.parametrize('damage', ['code', 'cut', 'text', 'empty'])
def test_what_cannot_be_read_is_named_and_never_run(tmp_path, damage):
    path = tmp_path / f'{damage}.pth'
    if damage == 'code':
        torch.save({'model': {'a': torch.ones(2)}, 'args': Dangerous()}, path)
    elif damage == 'cut':
        torch.save({'model': {'a': torch.ones(2000)}}, path)
        path.write_bytes(path.read_bytes()[:3000])
    else:
        path.write_text('no weights' if damage == 'text' else '')
    with pytest.raises(CheckpointError, match=f'{damage}.pth cannot be read as data, and nothing in it is run'):
        read_weights(path)
    assert not Dangerous.ran


def test_folders_of_transformers(tmp_path):
    with pytest.raises(FileNotFoundError, match='expected model.safetensors or pytorch_model.bin'):
        find_weights_file(tmp_path)
    torch.save({'a': torch.ones(1)}, tmp_path / 'pytorch_model.bin')
    assert read_weights(tmp_path)['a'] == 1
    save_file({'a': torch.zeros(1)}, tmp_path / 'model.safetensors')
    assert find_weights_file(tmp_path) == tmp_path / 'model.safetensors'
    assert read_weights(tmp_path)['state_dict']['a'] == 0


def test_manifests(tmp_path):
    path = tmp_path / 'manifest.json'
    path.write_text(json.dumps({'a': ['float32', 2, 3], 'b': ['int64']}))
    found = read_manifest(path)
    assert found['a'].is_meta and found['a'].shape == (2, 3) and found['b'].dtype == torch.int64
    for bad in ('[1]', '{"a": ["float33", 2]}', '{"a": []}', '{"a": ["float32", -2]}', 'no json', '{"a": ["nn", 2]}'):
        path.write_text(bad)
        with pytest.raises(ConversionError, match=r'manifest.json: expected JSON of the form'):
            read_manifest(path)
    with pytest.raises(FileNotFoundError, match='none.json does not exist'):
        read_manifest(tmp_path / 'none.json')


def test_settings_agree_with_the_defaults_of_their_type():
    settings = dict(type='ResNetBackbone', depths=[1, 1, 1, 1])
    assert agrees(settings, dict(type='ResNetBackbone', depths=(1, 1, 1, 1), base_width=64))
    assert not agrees(settings, dict(depths=(1, 1, 1, 2)))
    assert not agrees(settings, dict(base_width=32))
    assert not agrees(settings, dict(unheard=1))
    assert agrees(dict(backbone=settings), dict(backbone=dict(frozen_stages=1)))
    assert not agrees(dict(backbone=None), dict(backbone=dict(frozen_stages=1)))


def test_one_config_must_agree(tmp_path):
    def write(name, width):
        (tmp_path / name).write_text(f"backbone = dict(type='ResNetBackbone', depths=(1, 1, 1, 1), base_width={width}, "
                                     "init_cfg=dict(type='Pretrained', checkpoint='a.pth'))\n")

    write('small_a.py', 8)
    write('small_b.py', 16)
    settings, origin = find_settings(FORM, dict(base_width=16), tmp_path)
    assert settings == dict(type='ResNetBackbone', depths=[1, 1, 1, 1], base_width=16)  # and no file to start from
    assert origin == f'{tmp_path.name}/small_b.py'
    with pytest.raises(ConversionError, match=r'no config .*small_\*.py agrees .*32.*name a config'):
        find_settings(FORM, dict(base_width=32), tmp_path)
    write('small_c.py', 16)
    with pytest.raises(ConversionError, match=r'2 configs \(small_b.py, small_c.py\) agree'):
        find_settings(FORM, dict(base_width=16), tmp_path)
    (tmp_path / 'other.py').write_text('model = dict(head=1)\n')
    with pytest.raises(ConversionError, match='other.py has no settings of a backbone'):
        convert_content({'a': torch.ones(1)}, FORM, configs=tmp_path, config=tmp_path / 'other.py')


def test_written_files_hold_the_weights_and_a_config(tmp_path):
    base = torch.arange(12.0)
    state = {'a': base[:4], 'b': base.view(3, 4).T, 'c': base, 'd': base, 'none': torch.empty(0, dtype=torch.uint8)}
    converted = Converted(Conversion(state, {'x': 'why', 'y': 'why'}), dict(type='ResNetBackbone'), 'here', 5)
    target = tmp_path / 'folder' / 'out.safetensors'
    assert write_converted(target, converted, FORM, 'in.pth') == (target, target.with_suffix('.json'))
    found = load_file(target)
    assert set(found) == set(state) and all(torch.equal(found[name], value) for name, value in state.items())
    cfg = Config.fromfile(target.with_suffix('.json'))
    assert cfg.backbone == dict(type='ResNetBackbone') and cfg.conversion.dropped == dict(why=['x', 'y'])
    assert sorted(path.name for path in target.parent.iterdir()) == ['out.json', 'out.safetensors']
    with pytest.raises(ValueError, match='ends in .safetensors'):
        write_converted(tmp_path / 'out.pth', converted, FORM, 'in.pth')
