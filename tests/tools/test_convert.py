"""tools/model_converters/convert.py from the command line's side."""

import argparse
import importlib.util
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from safetensors.torch import load_file

from mmlvs.io.conversion import rename
from mmlvs.io.conversions.referformer import REFERFORMER_RULES
from mmlvs.io.weight_files import read_manifest
from mmlvs.models.text_encoders import TextFeatures
from mmlvs.registry import MODELS

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools' / 'model_converters' / 'convert.py'
MANIFESTS = ROOT / 'tests' / 'data' / 'parity' / 'referformer'
BACKBONES = dict(
    resnet50=dict(type='ResNetBackbone', depths=(1, 1, 1, 1), base_width=8),
    swin_t=dict(type='SwinBackbone', embed_dim=8, depths=(2, 1, 1, 1), num_heads=(1, 1, 2, 2)),
    video_swin_t=dict(type='VideoSwinBackbone', embed_dim=8, depths=(2, 1, 1, 1), num_heads=(1, 1, 2, 2)))


class Dangerous:
    ran = False

    def __reduce__(self):
        return (setattr, (Dangerous, 'ran', True))


@pytest.fixture(scope='module')
def convert():
    spec = importlib.util.spec_from_file_location('convert_tool', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def write_config(folder, release):
    path = folder / f'{release}.py'
    model = dict(
        type='ReferFormer', backbone=dict(BACKBONES[release], init_cfg=dict(type='Pretrained', checkpoint='none.pth')),
        text_encoder=dict(
            type='RobertaTextEncoder', tokenizer=dict(type='PretrainedTokenizer', path='none'),
            config=dict(vocab_size=30, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
                        max_position_embeddings=20)),
        transformer=dict(type='DeformableTransformer', channels=32, num_heads=2, encoder_layers=1, decoder_layers=2,
                         feedforward_channels=32),
        pixel_decoder=dict(type='CrossModalFPN', mask_channels=8, num_heads=2, feedforward_channels=32),
        mask_head=dict(type='DynamicMaskHead'), num_queries=3, fusion_heads=2)
    path.write_text(f'model = {model!r}\n')
    return path


def randomised(settings):
    torch.manual_seed(0)
    model = MODELS.build(settings).eval()
    for name, value in model.state_dict().items():
        if name.endswith('running_var'):
            value.uniform_(0.5, 1.5)
        elif value.is_floating_point():
            value.uniform_(-0.3, 0.3)
    return model


def released(model, release):
    """What the authors' training would have left in a file for this network."""
    names = {rename(name, REFERFORMER_RULES)[0]: name for name in read_manifest(MANIFESTS / f'manifest_{release}.json')}
    state = {names[ours]: value for ours, value in model.state_dict().items()
             if not ours.endswith(('num_batches_tracked', '_extra_state'))}
    state |= {f'transformer.decoder.{name}': value for name, value in state.items() if name.startswith('bbox_embed')}
    state['text_encoder.embeddings.position_ids'] = torch.arange(20)[None]
    if release != 'resnet50':
        state['backbone.0.body.layers.0.blocks.1.attn.relative_position_index'] = torch.zeros(49, 49, dtype=torch.int64)
    return {'model': state, 'optimizer': {'state': {}}, 'epoch': 5, 'args': argparse.Namespace(lr=1e-4, masks=True),
            'lr_scheduler': {'milestones': Counter([3, 5])}}


def outputs(model):
    frames = torch.linspace(-1, 1, 2 * 3 * 40 * 48).view(1, 2, 3, 40, 48)
    words = torch.linspace(-1, 1, 4 * 16).view(1, 4, 16)
    text = TextFeatures(words=words, sentence=words[:, 0], mask=torch.ones(1, 4, dtype=torch.bool))
    padding = torch.zeros(1, 2, 40, 48, dtype=torch.bool)
    with torch.no_grad():
        found = model.forward_clip(frames, padding, [(40, 48)], text, torch.zeros(1, dtype=torch.int64))
        ids = torch.tensor([[0, 5, 7, 2]])
        return {**found, 'words': model.text_encoder.encode(ids, ids >= 0).words}


@pytest.mark.parametrize('release', BACKBONES)
def test_a_released_file_becomes_ours(convert, tmp_path, capsys, release):
    config = write_config(tmp_path, release)
    model = randomised(Config.fromfile(config).model)
    torch.save(released(model, release), tmp_path / 'released.pth')
    target = tmp_path / 'ours.safetensors'
    assert convert(['referformer', str(tmp_path / 'released.pth'), str(target), '--config', str(config)]) == 0
    said = capsys.readouterr().out
    assert 'dropped 12: second name of a box head' in said and f'wrote {target}' in said

    found = Config.fromfile(target.with_suffix('.json'))
    assert found.conversion.source == 'released.pth' and 'init_cfg' not in found.model.backbone
    rebuilt = MODELS.build(found.model).eval()
    rebuilt.load_state_dict(load_file(target), strict=True)
    expected, got = outputs(model), outputs(rebuilt)
    assert all(torch.equal(got[name], value) for name, value in expected.items()) and len(expected) == 5


def test_without_a_config_the_settings_must_be_told_by_the_weights(convert, tmp_path, capsys):
    config = write_config(tmp_path, 'resnet50')
    torch.save(released(MODELS.build(Config.fromfile(config).model), 'resnet50'), tmp_path / 'tiny.pth')
    assert convert(['referformer', str(tmp_path / 'tiny.pth'), str(tmp_path / 'a.safetensors')]) == 1
    said = capsys.readouterr().err
    assert 'tiny.pth: no config' in said and "'base_width': 8" in said
    assert not (tmp_path / 'a.safetensors').exists()


@pytest.mark.parametrize('damage, message', [
    ('copy', "'transformer.decoder.bbox_embed.0.layers.0.bias' is taken as second name of .*, but holds other values"),
    ('lost', 'missing: query_position'), ('new', "no rule for 'unheard'"), ('code', 'nothing in it is run'),
    ('cut', 'cannot be read as data'), ('other', 'released.pth: .*expected weights by name'),
])
def test_a_wrong_file_names_itself_and_leaves_nothing(convert, tmp_path, capsys, damage, message):
    config, path = write_config(tmp_path, 'resnet50'), tmp_path / 'released.pth'
    content = released(MODELS.build(Config.fromfile(config).model), 'resnet50')
    if damage == 'copy':
        name = 'transformer.decoder.bbox_embed.0.layers.0.bias'
        content['model'][name] = content['model'][name] + 1
    elif damage == 'lost':
        del content['model']['query_embed.weight']
    elif damage == 'new':
        content['model']['unheard'] = torch.ones(1)
    elif damage == 'code':
        content['args'] = Dangerous()
    elif damage == 'other':
        content = {'epoch': 3}
    torch.save(content, path)
    if damage == 'cut':
        path.write_bytes(path.read_bytes()[:-500])
    before = sorted(tmp_path.iterdir())
    assert convert(['referformer', str(path), str(tmp_path / 'a.safetensors'), '--config', str(config)]) == 1
    said = ' '.join(capsys.readouterr().err.split())
    assert str(path) in said and sorted(tmp_path.iterdir()) == before and not Dangerous.ran
    assert re.search(message, said), said


def test_backbones_need_no_config_and_start_ours(convert, tmp_path, capsys):
    settings = dict(type='VideoSwinBackbone', embed_dim=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 2))
    source = randomised(settings)
    state = {}
    for name, value in source.state_dict().items():
        parts = name.split('.')
        if parts[0] == 'stages':
            name = '.'.join(['layers', parts[1], 'blocks', *parts[2:]])
        elif parts[0] == 'merges':
            name = '.'.join(['layers', parts[1], 'downsample', *parts[2:]])
        state[f'backbone.{name}'] = value
    state['backbone.patch_embed.proj.weight'] = torch.rand(8, 3, 2, 4, 4)
    state |= {'backbone.norm.weight': torch.ones(64), 'cls_head.fc_cls.weight': torch.ones(4, 64)}
    torch.save({'state_dict': state, 'meta': {}}, tmp_path / 'kinetics.pth')
    target = tmp_path / 'ours.safetensors'
    assert convert(['video_swin', str(tmp_path / 'kinetics.pth'), str(target)]) == 0
    said = capsys.readouterr().out
    assert "dropped 1: not under 'backbone.'" in said and 'dropped 1: of the classifier' in said

    found = Config.fromfile(target.with_suffix('.json')).backbone
    init = dict(type='Pretrained', checkpoint=str(target))
    started = MODELS.build(dict(found, init_cfg=init))
    started.init_weights()
    kernel = state['backbone.patch_embed.proj.weight']
    assert torch.equal(started.patch_embed.proj.weight, kernel.sum(dim=2))
    assert torch.equal(started.merges[2].reduction.weight, source.merges[2].reduction.weight)


def test_dry_run_of_a_manifest_from_anywhere(tmp_path):
    command = [TOOL, 'referformer', '--manifest', MANIFESTS / 'manifest_resnet50.json', '--dry-run']
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert '780 tensors converted, 24 dropped, 53 kept' in done.stdout and 'nothing was written' in done.stdout
    assert 'configs/_base_/models/referformer_r50.py' in done.stdout and not list(tmp_path.iterdir())


@pytest.mark.parametrize('arguments', [
    ['referformer'], ['referformer', 'a.pth'], ['referformer', '--manifest', 'a.json'],
    ['unheard', 'a.pth', '--dry-run'],
    ['referformer', 'a.pth', 'b.safetensors', '--manifest', 'a.json', '--dry-run'],
])
def test_arguments_that_do_not_fit_together(convert, arguments):
    with pytest.raises(SystemExit) as caught:
        convert(arguments)
    assert caught.value.code == 2


@pytest.mark.parametrize('arguments, message', [
    (['referformer', 'none.pth', 'b.safetensors'], 'none.pth does not exist'),
    (['referformer', 'none.pth', 'b.pth'], 'ends in .safetensors'),
    (['referformer', '--manifest', 'none.json', '--dry-run'], 'none.json does not exist'),
])
def test_files_that_are_not_there(convert, capsys, arguments, message):
    assert convert(arguments) == 1
    assert message in capsys.readouterr().err
