"""LAVT's configs against the recipes of its authors."""

import json
import re
from pathlib import Path

import pytest
import torch
import yaml
from mmengine.config import Config

from mmlvs.io.conversion import rename
from mmlvs.io.conversions.lavt import LAVT, LAVT_ONE, LAVT_VIDEO
from mmlvs.registry import OPTIM_WRAPPER_CONSTRUCTORS, PARAM_SCHEDULERS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / 'configs' / 'lavt'
CONFIGS = {path.stem: path for path in sorted(FOLDER.glob('*.py')) if not re.search('tiny|folder', path.stem)}
CASES = ROOT / 'tests' / 'data' / 'parity' / 'lavt'
# network: release, format, parameters without and with the text encoder's (a release counts its dead gate)
NETWORKS = {
    'swin-b': (['lavt_swin_base_w12', 'bert_model'], LAVT), 'one-swin-b': (['lavt_one_swin_base_w12'], LAVT_ONE),
    'video-swin-t': (['lavt_video_tiny'], LAVT_VIDEO), 'video-swin-s': (['lavt_video_small'], LAVT_VIDEO),
    'video-swin-b': (['lavt_video_base'], LAVT_VIDEO)}
MILLIONS = {'swin-b': 227.7, 'one-swin-b': 227.7, 'video-swin-t': 239.9, 'video-swin-s': 261.6, 'video-swin-b': 378.9}
SETS = ('refcoco', 'refcoco-plus', 'refcocog-umd', 'refcocog-google')
PATTERNS = json.loads((CASES / 'train_steps_image' / 'case.json').read_text())['settings']['parameter_groups']


def parts_of(name):
    match = re.fullmatch(r'lavt_([\w-]+?)(-refcoco)?_(\d)xb(\d)-(\d+)e_([\w-]+)', name)
    return match[1], bool(match[2]), int(match[3]) * int(match[4]), int(match[5]), match[6]


def reference_names(network):
    """Names in the authors' code by ours."""
    releases, form = NETWORKS[network]
    state = {}
    for release in releases:
        prefix = 'text_encoder.' if release == 'bert_model' else ''
        state |= {prefix + name: name for name in json.loads((CASES / f'manifest_{release}.json').read_text())}
    pairs = ((rename(name, form.rules)[0], name) for name in state)
    return {ours: theirs for ours, theirs in pairs if isinstance(ours, str)}


def optimizer_of(cfg, model):
    settings = dict(cfg.optim_wrapper)
    return OPTIM_WRAPPER_CONSTRUCTORS.build(dict(
        type=settings.pop('constructor'), paramwise_cfg=settings.pop('paramwise_cfg'),
        optim_wrapper_cfg=settings))(model).optimizer


def test_every_recipe_is_there():
    found = {parts_of(name) for name in CONFIGS}
    want = {(kind, False, 32, 40, data) for kind in ('swin-b', 'one-swin-b') for data in SETS}
    for size in 'tsb':
        kind = f'video-swin-{size}'
        want |= {(kind, False, 8, 40, 'refcoco-clips')}
        want |= {(kind, start, *rest) for start in (False, True)
                 for rest in ((32, 40, 'a2d-sentences'), (8, 30, 'ref-youtube-vos'))}
    assert found == want


@pytest.mark.parametrize('network', NETWORKS)
def test_parameters_and_groups(network, meta_network):
    """Rates and decays of every parameter are those of the recorded groups; the rest is frozen."""
    theirs = reference_names(network)
    for name, path in CONFIGS.items():
        kind, _, batch, _, data = parts_of(name)
        if kind != network:
            continue
        cfg = Config.fromfile(path)
        model = meta_network(cfg.model.to_dict())
        names = {parameter: name for name, parameter in model.named_parameters()}
        assert sum(p.numel() for p in names) / 1e6 == pytest.approx(MILLIONS[network], abs=2.3)  # the dead gate: 2.1
        rate = 6e-5 if data == 'a2d-sentences' else 5e-5
        for group in optimizer_of(cfg, model).param_groups:
            for parameter in group['params']:
                ours = names[parameter]
                row = next((row for row in PATTERNS if re.fullmatch(row['pattern'], theirs[ours])), None)
                assert parameter.requires_grad is (row is not None), ours
                if row is not None:
                    assert (group['lr'], group['weight_decay']) == pytest.approx((rate, row['weight_decay'])), ours
        assert cfg.train_dataloader.batch_size * int(re.search(r'_(\d)xb', name)[1]) == batch


@pytest.mark.parametrize('name', CONFIGS)
def test_schedule_and_data(name):
    cfg = Config.fromfile(CONFIGS[name])
    kind, start, _, epochs, data = parts_of(name)
    assert cfg.train_cfg.max_epochs == epochs and cfg.sync_bn == 'torch'
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = PARAM_SCHEDULERS.build(dict(cfg.param_scheduler, optimizer=optimizer, epoch_length=2, end=epochs))
    for step in range(2 * epochs):
        assert optimizer.param_groups[0]['lr'] == pytest.approx((1 - step / (2 * epochs))**0.9, rel=1e-9)
        optimizer.step()
        scheduler.step()
    assert (cfg.model.get('init_cfg') is not None) is start
    assert cfg.model.mask_space == 'network' if data != 'ref-youtube-vos' else 'mask_space' not in cfg.model
    assert cfg.model.text_encoder.tokenizer.max_length == (22 if kind.startswith('video') else 20)
    for loader in (cfg.train_dataloader, cfg.test_dataloader):
        for part in loader.dataset.get('datasets', [loader.dataset]):
            (resize, ) = (row for row in part.pipeline if row.type == 'ResizeClip')
            assert tuple(resize.size) == (480, 480)
            assert resize.get('mask_resizer') == 'pillow' or resize.resize_gt is False
            if part.type == 'RefCOCODataset':
                assert (part.text, part.overlap) == ('raw', 'drop')
    if kind.startswith('video') and data != 'refcoco-clips':
        assert cfg.train_dataloader.dataset.clip_length == 8
    if data == 'a2d-sentences':
        assert cfg.test_dataloader.dataset.clip_length == 16
    if data == 'ref-youtube-vos':
        assert cfg.test_dataloader.dataset.get('clip_length') is None


def test_metafile_lists_every_config_with_the_scores_of_the_page():
    models = {model['Name']: model for model in yaml.safe_load((FOLDER / 'metafile.yml').read_text())['Models']}
    assert set(models) == set(CONFIGS)
    page = (FOLDER / 'README.md').read_text()
    for name, model in models.items():
        assert (ROOT / model['Config']) == CONFIGS[name] and model['Metadata']['Epochs'] == parts_of(name)[3]
        for result in model.get('Results', []):
            assert result['Reported by'] == 'the authors'
            assert all(f'{score:g}' in page or f'{score:.2f}' in page for score in result['Metrics'].values())
