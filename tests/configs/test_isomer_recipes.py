"""Isomer's configs against the recipe of its authors."""

import json
from pathlib import Path

import pytest
import yaml
from mmengine.config import Config

from mmlvs.io.conversion import rename
from mmlvs.io.conversions.isomer import ISOMER_RULES
from mmlvs.registry import OPTIM_WRAPPER_CONSTRUCTORS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / 'configs' / 'isomer'
DATA = ROOT / 'tests' / 'data' / 'parity' / 'isomer'
CONFIGS = {path.stem: path for path in sorted(FOLDER.glob('*.py'))}
STAGES = [name for name in CONFIGS if '_2xb8-' in name and '_test-' not in name]
PARAMETERS = {'swin-t': 89_219_575, 'swin-t-position': 89_219_575, 'mit-b0': 10_930_851}


def backbone_of(name):
    return name.split('_')[1]


def decay_of(cfg, model):
    """Weight decay by name."""
    settings = dict(cfg.optim_wrapper)
    constructor = OPTIM_WRAPPER_CONSTRUCTORS.build(dict(
        type=settings.pop('constructor'), paramwise_cfg=settings.pop('paramwise_cfg'), optim_wrapper_cfg=settings))
    names = {parameter: name for name, parameter in model.named_parameters()}
    groups = constructor(model).optimizer.param_groups
    assert all(group['lr'] == 6e-5 and group['betas'] == (0.9, 0.999) and group['eps'] == 1e-8 for group in groups)
    return {names[p]: group['weight_decay'] for group in groups for p in group['params']}


@pytest.mark.parametrize('name', STAGES)
def test_settings_of_the_stage(name, meta_network):
    cfg = Config.fromfile(CONFIGS[name])
    assert cfg.train_cfg.max_epochs == (500 if 'youtube-vos' in name else 600) and cfg.train_cfg.val_interval == 5
    assert cfg.optim_wrapper.get('clip_grad') is None and cfg.get('param_scheduler') is None
    assert cfg.find_unused_parameters and cfg.default_hooks.checkpoint.save_best == 'valid/J&F'
    loader = cfg.train_dataloader
    assert (loader.batch_size, loader.drop_last, loader.dataset.clip_length) == (8, True, 1)
    scatter = 'position' if 'position' in name else 'none'
    assert [row.get('scatter') for row in cfg.model.fusions] == [None, None, scatter, scatter]
    model = meta_network(cfg.model.to_dict())
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[backbone_of(name)]
    assert [(f.foreground.soft_weights.out_channels, f.threshold) for f in model.fusions[2:]] == [(121, 0.5), (30, 0.5)]


def test_pipelines_are_as_published():
    cfg = Config.fromfile(CONFIGS['isomer_swin-t_2xb8-600e_davis-fbms'])
    steps = {step.type: step for step in cfg.train_dataloader.dataset.pipeline}
    assert steps['ResizeClip'] == dict(type='ResizeClip', size=(512, 512), mask_resizer='pillow')
    assert steps['PhotometricDistortClip'].in_steps and not steps['PhotometricDistortClip'].permute_channels
    order = list(steps)
    assert order.index('RandomFlipClip') < order.index('PhotometricDistortClip') < order.index('ResizeClip')
    assert not cfg.test_dataloader.dataset.pipeline[3].resize_gt  # scored at original size


@pytest.mark.parametrize('name', [name for name in STAGES if 'swin-t' in name])
def test_weight_decay_of_swin_is_split_as_published(name, meta_network):
    cfg = Config.fromfile(CONFIGS[name])
    found = decay_of(cfg, meta_network(cfg.model.to_dict()))
    groups = json.loads((DATA / 'param_groups_isomer_swin_tiny.json').read_text())
    for kind, count in (('decay', 306), ('no_decay', 156)):
        names = {rename(theirs, ISOMER_RULES)[0] for theirs in groups[kind]['names']}
        assert len(names) == count and {found[ours] for ours in names} == {groups[kind]['weight_decay']}
    assert len(found) == 306 + 156


@pytest.mark.parametrize('name', [name for name in STAGES if 'mit-b0' in name])
def test_everything_of_mix_transformer_decays(name, meta_network):
    cfg = Config.fromfile(CONFIGS[name])
    assert set(decay_of(cfg, meta_network(cfg.model.to_dict())).values()) == {5e-4}


def test_metafile_lists_every_stage_with_the_scores_of_the_page():
    models = {model['Name']: model for model in yaml.safe_load((FOLDER / 'metafile.yml').read_text())['Models']}
    assert set(models) == set(STAGES)
    page = (FOLDER / 'README.md').read_text()
    for name, model in models.items():
        assert ROOT / model['Config'] == CONFIGS[name]
        assert model['Metadata']['Parameters'] == PARAMETERS[backbone_of(name)]
        for result in model.get('Results', []):
            assert result['Reported by'] == 'the authors' and result['Protocol']
            assert all(f'{score:g}' in page for score in result['Metrics'].values())
