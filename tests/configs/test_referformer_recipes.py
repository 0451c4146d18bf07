"""ReferFormer's configs on Ref-YouTube-VOS against the recipe of its authors."""

import json
import re
from pathlib import Path

import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.optim import OptimWrapper

from mmlvs.io.conversion import rename
from mmlvs.io.conversions.referformer import REFERFORMER_RULES
from mmlvs.registry import OPTIM_WRAPPER_CONSTRUCTORS, PARAM_SCHEDULERS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / 'configs' / 'referformer'
CONFIGS = {path.stem: path for path in sorted(FOLDER.glob('*_ref-youtube-vos.py'))}
# backbone: release, drop path, recomputed activations, parameters of the backbone that are trained
BACKBONES = {
    'r50': ('resnet50', None, False, 23_232_512), 'r101': ('resnet101', None, False, 42_172_416),
    'swin-t': ('swin_t', 0.2, False, 27_520_698), 'swin-l': ('swin_l', 0.3, True, 194_998_164),
    'video-swin-t': ('video_swin_t', 0.2, False, 27_844_326), 'video-swin-s': ('video_swin_s', 0.2, True, 49_502_934),
    'video-swin-b': ('video_swin_b', 0.2, True, 87_630_792),
}
# epochs: factor of the rate in each epoch
FACTORS = {6: [1] * 3 + [0.1] * 2 + [0.01], 10: [1] * 6 + [0.1] * 2 + [0.01] * 2, 12: [1] * 8 + [0.1] * 2 + [0.01] * 2}


def parts_of(name):
    match = re.fullmatch(r'referformer_([\w-]+)_8xb1-(\d+)e_ref-youtube-vos', name)
    return match[1], int(match[2])


def rate_by_the_paper(name):
    """Rate of a parameter by its name in the authors' code."""
    if 'backbone.0' in name:
        return 5e-5
    return 1e-5 if 'text_encoder' in name else 1e-4  # reference_points and sampling_offsets: 1e-4 times 1.0


def reference_names(backbone):
    """Names in the authors' code by ours."""
    file = ROOT / 'tests' / 'data' / 'parity' / 'referformer' / f'manifest_{BACKBONES[backbone][0]}.json'
    pairs = ((rename(name, REFERFORMER_RULES)[0], name) for name in json.loads(file.read_text()))
    return {ours: theirs for ours, theirs in pairs if isinstance(ours, str)}


def optimizer_of(cfg, model):
    settings = dict(cfg.optim_wrapper)
    constructor = OPTIM_WRAPPER_CONSTRUCTORS.build(dict(
        type=settings.pop('constructor'), paramwise_cfg=settings.pop('paramwise_cfg'), optim_wrapper_cfg=settings))
    wrapper = constructor(model)
    assert type(wrapper) is OptimWrapper
    return wrapper.optimizer


def test_every_backbone_has_every_stage_that_was_released():
    found = {parts_of(name) for name in CONFIGS}
    expected = {(backbone, epochs) for backbone in BACKBONES for epochs in FACTORS} - {('swin-t', 12)}
    assert found == expected


@pytest.mark.parametrize('name', CONFIGS)
def test_settings_of_the_stage(name):
    cfg, (backbone, epochs) = Config.fromfile(CONFIGS[name]), parts_of(name)
    assert cfg.train_cfg.max_epochs == epochs == len(FACTORS[epochs])
    assert cfg.optim_wrapper.optimizer == dict(type='AdamW', lr=1e-4, betas=(0.9, 0.999), eps=1e-8, weight_decay=5e-4)
    assert cfg.optim_wrapper.clip_grad == dict(max_norm=0.1, norm_type=2)
    assert 'accumulative_counts' not in cfg.optim_wrapper and cfg.randomness.seed == 42
    loader = cfg.train_dataloader
    assert (loader.batch_size, loader.drop_last, loader.dataset.clip_length, loader.dataset.unit) == (
        1, True, 5, 'expression')
    assert cfg.get('val_dataloader') is None and cfg.test_evaluator.type == 'RefYouTubeVOSWriter'
    _, drop_path, recompute, _ = BACKBONES[backbone]
    body = cfg.model.backbone
    assert (body.get('drop_path_rate'), body.get('with_cp', False)) == (drop_path, recompute)
    assert cfg.model.text_encoder.frozen and cfg.model.text_encoder.get('train_mode_when_frozen', True)
    assert (cfg.model.num_queries, cfg.model.num_classes) == (5, 1)


@pytest.mark.parametrize('name', CONFIGS)
def test_start_of_the_stage(name):
    cfg, (backbone, epochs) = Config.fromfile(CONFIGS[name]), parts_of(name)
    start = cfg.model.get('init_cfg')
    if epochs == 6:
        assert start.type == 'PretrainedExcept' and f'_{backbone}_pretrain' in start.checkpoint
        skipped = {theirs for ours, theirs in reference_names(backbone).items()
                   if any(re.fullmatch(pattern, ours) for pattern in start.skip)}
        assert skipped == {f'class_embed.{layer}.{kind}' for layer in range(4) for kind in ('weight', 'bias')}
    else:  # backbone and text encoder only
        assert start is None
        assert cfg.model.backbone.init_cfg.type == 'Pretrained' and cfg.model.text_encoder.pretrained


@pytest.mark.parametrize('epochs', FACTORS)
def test_rates_of_the_epochs(epochs):
    cfg = Config.fromfile(FOLDER / f'referformer_r50_8xb1-{epochs}e_ref-youtube-vos.py')
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = PARAM_SCHEDULERS.build(dict(cfg.param_scheduler, optimizer=optimizer))
    rates = []
    for _ in range(epochs):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        scheduler.step()
    assert rates == pytest.approx(FACTORS[epochs])


@pytest.mark.parametrize('backbone', BACKBONES)
def test_groups_of_the_optimiser(backbone, meta_network):
    theirs, groups = reference_names(backbone), {}
    for path in (path for name, path in CONFIGS.items() if parts_of(name)[0] == backbone):
        cfg, found = Config.fromfile(path), {}
        model = meta_network(cfg.model.to_dict())
        names = {parameter: name for name, parameter in model.named_parameters()}
        for group in optimizer_of(cfg, model).param_groups:
            for parameter in group['params']:
                found[names[parameter]] = (group['lr'], group['weight_decay'])
        groups[path.stem] = found
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert not any(name.startswith('text_encoder') for name in trained)
    assert sum(p.numel() for p in model.backbone.parameters() if p.requires_grad) == BACKBONES[backbone][3]
    for stage, found in groups.items():
        for name in trained:
            assert found[name] == pytest.approx((rate_by_the_paper(theirs[name]), 5e-4)), (stage, name)


def test_groups_with_a_trained_text_encoder(meta_network):
    cfg = Config.fromfile(FOLDER / 'referformer_r50_8xb1-12e_ref-youtube-vos.py')
    cfg.merge_from_dict({'model.text_encoder.frozen': False})  # as --cfg-options does
    model, theirs = meta_network(cfg.model.to_dict()), reference_names('r50')
    names = {parameter: name for name, parameter in model.named_parameters()}
    sizes = {}
    for group in optimizer_of(cfg, model).param_groups:
        for parameter in (parameter for parameter in group['params'] if parameter.requires_grad):
            rate = rate_by_the_paper(theirs[names[parameter]])
            assert (group['lr'], group['weight_decay']) == pytest.approx((rate, 5e-4)), names[parameter]
            sizes[rate] = sizes.get(rate, 0) + parameter.numel()
    assert sizes[1e-5] == 124_645_632 and sizes[5e-5] == 23_232_512 and set(sizes) == {1e-5, 5e-5, 1e-4}


def test_metafile_lists_every_config_with_the_scores_of_the_page():
    models = {model['Name']: model for model in yaml.safe_load((FOLDER / 'metafile.yml').read_text())['Models']}
    assert set(models) == set(CONFIGS)
    page = (FOLDER / 'README.md').read_text()
    for name, model in models.items():
        assert (ROOT / model['Config']) == CONFIGS[name] and model['Metadata']['Epochs'] == parts_of(name)[1]
        for result in model.get('Results', []):
            assert result['Reported by'] == 'the authors'
            assert all(f'{score:.1f}' in page for score in result['Metrics'].values())
