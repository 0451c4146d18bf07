"""ReferFormer's configs against the recipe of its authors: all stages, all backbones."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
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
CONFIGS = {path.stem: path for path in sorted(FOLDER.glob('*.py')) if '_tiny' not in path.stem}
# backbone: release, drop path, recomputed activations, parameters of the backbone that are trained
BACKBONES = {
    'r50': ('resnet50', None, False, 23_232_512), 'r101': ('resnet101', None, False, 42_172_416),
    'swin-t': ('swin_t', 0.2, False, 27_520_698), 'swin-l': ('swin_l', 0.3, True, 194_998_164),
    'video-swin-t': ('video_swin_t', 0.2, False, 27_844_326), 'video-swin-s': ('video_swin_s', 0.2, True, 49_502_934),
    'video-swin-b': ('video_swin_b', 0.2, True, 87_630_792),
}
# epochs: factor of the rate in each epoch
FACTORS = {6: [1] * 3 + [0.1] * 2 + [0.01], 10: [1] * 6 + [0.1] * 2 + [0.01] * 2, 12: [1] * 8 + [0.1] * 2 + [0.01] * 2}
VIDEOS, IMAGES, ACTORS = 'RefYouTubeVOSDataset', 'RefCOCODataset', 'A2DSentencesDataset'


@dataclass(frozen=True)
class Stage:
    """A stage as the paper, its code and its authors' answers have it; only ``pre-trained`` starts from a model."""

    sets: tuple[str, ...]
    tested: str
    epochs: int = 0
    batch: int = 1
    frames: int = 5
    start: str = 'backbone'
    frozen: bool = True
    decay: float = 5e-4
    dropout: float = 0.1
    padded_test: bool = False
    lacks: tuple[str, ...] = ()

    @property
    def trains(self):
        return self.epochs > 0


STAGES = {
    '32xb2-12e_refcoco': Stage((IMAGES,) * 3, IMAGES, 12, batch=2, frames=1, frozen=False, padded_test=True),
    '8xb1-10e_ref-youtube-vos': Stage((VIDEOS,), VIDEOS, 10),
    '8xb1-6e_ref-youtube-vos': Stage((VIDEOS,), VIDEOS, 6, start='pre-trained'),
    '8xb1-6e_ref-youtube-vos_test-ref-davis': Stage((), 'RefDAVISDataset', frames=36),
    '8xb1-12e_ref-youtube-vos': Stage((VIDEOS,), VIDEOS, 12, lacks=('swin-t',)),
    '8xb1-12e_refcoco-ref-youtube-vos': Stage((IMAGES,) * 3 + (VIDEOS,), VIDEOS, 12, lacks=('swin-t',)),
    '8xb2-6e_a2d-sentences': Stage((ACTORS,), ACTORS, 6, batch=2, start='pre-trained', padded_test=True),
    '8xb2-6e_a2d-sentences_test-jhmdb-sentences': Stage((), 'JHMDBSentencesDataset', padded_test=True),
    '8xb1-12e_a2d-sentences': Stage((ACTORS,), ACTORS, 12, frames=6, decay=1e-4, dropout=0.0, padded_test=True,
                                    lacks=tuple(name for name in BACKBONES if name != 'video-swin-t')),
    '8xb1-12e_a2d-sentences_test-jhmdb-sentences': Stage(
        (), 'JHMDBSentencesDataset', frames=6, padded_test=True,
        lacks=tuple(name for name in BACKBONES if name != 'video-swin-t')),
}
TRAINED = [name for name in CONFIGS if '_test-' not in name]


@cache
def load(name):
    """A config; the tests only read it."""
    return Config.fromfile(CONFIGS[name])


def parts_of(name):
    """Backbone and stage."""
    _, backbone, stage = name.split('_', 2)
    return backbone, stage


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


def sampled_frames(pipeline, clip_length):
    """Frames of the clips that a pipeline gives."""
    steps = [step for step in pipeline if step.type.startswith('Sample') or step.type == 'PseudoClip']
    return steps[0].get('num_frames', clip_length) if steps else clip_length or 1


def test_every_backbone_has_every_stage():
    assert {parts_of(name) for name in CONFIGS} == {
        (backbone, stage) for stage, setting in STAGES.items() for backbone in BACKBONES
        if backbone not in setting.lacks}


@pytest.mark.parametrize('name', CONFIGS)
def test_network_of_the_stage(name):
    cfg, (backbone, stage) = load(name), parts_of(name)
    stage, model = STAGES[stage], cfg.model
    _, drop_path, recompute, _ = BACKBONES[backbone]
    assert (model.backbone.get('drop_path_rate'), model.backbone.get('with_cp', False)) == (drop_path, recompute)
    assert model.text_encoder.get('train_mode_when_frozen', True) and (model.num_queries, model.num_classes) == (5, 1)
    if stage.trains:
        assert (model.text_encoder.frozen, model.transformer.dropout) == (stage.frozen, stage.dropout)
    assert model.pixel_decoder.dropout == 0.1
    prepared = model.data_preprocessor
    assert (prepared.codec.pad_divisor, prepared.codec.mask_stride) == (32, 4)
    assert (prepared.codec.way_back, prepared.pad_divisor_test) == (
        ('upsample_crop_nearest', 32) if stage.padded_test else ('direct', 1))
    assert model.get('candidates', False) == (stage.tested in (ACTORS, 'JHMDBSentencesDataset'))
    davis = stage.tested == 'RefDAVISDataset'
    assert (model.get('query_choice', 'video'), model.get('probabilities', False)) == (
        'clip' if davis else 'video', davis)


@pytest.mark.parametrize('name', CONFIGS)
def test_test_of_the_stage(name):
    cfg, stage = load(name), STAGES[parts_of(name)[1]]
    loader, set_ = cfg.test_dataloader, cfg.test_dataloader.dataset
    assert (loader.batch_size, set_.type, set_.test_mode) == (1, stage.tested, True)
    if stage.tested == VIDEOS:
        assert set_.get('clip_length') is None  # the whole video at once
    else:
        assert sampled_frames(set_.pipeline, set_.get('clip_length')) == stage.frames
    size = next(step for step in set_.pipeline if step.type == 'ResizeClip')
    # the published short side; a bound of the long side only where frames are padded
    assert (size.short_side, size.get('max_long_side')) == (360, 640 if stage.padded_test else None)
    cleaned = 'CleanText' in [step.type for step in set_.pipeline]
    assert cleaned == (stage.tested in (ACTORS, 'JHMDBSentencesDataset'))
    evaluators = cfg.test_evaluator if isinstance(cfg.test_evaluator, list) else [cfg.test_evaluator]
    assert [row.type for row in evaluators] == {
        VIDEOS: ['RefYouTubeVOSWriter'], IMAGES: ['IoUMetric'] * 2, 'RefDAVISDataset': ['RefDavisMetric',
        'RefDavisWriter']}.get(stage.tested, ['A2DMetric'])
    assert cfg.get('val_dataloader') is None


@pytest.mark.parametrize('name', [name for name in CONFIGS if name not in TRAINED])
def test_nothing_is_trained_in_a_test(name):
    cfg = load(name)
    assert not any(key in cfg for key in ('train_cfg', 'train_dataloader', 'optim_wrapper', 'param_scheduler'))
    trained, own = load(name.split('_test-')[0]).model.to_dict(), cfg.model.to_dict()
    for model in (trained, own):  # the same network
        for key in ('init_cfg', 'query_choice', 'probabilities', 'candidates', 'data_preprocessor'):
            model.pop(key, None)
        model['transformer'].pop('dropout')
    assert trained == own


@pytest.mark.parametrize('name', TRAINED)
def test_training_of_the_stage(name):
    cfg, stage = load(name), STAGES[parts_of(name)[1]]
    assert cfg.train_cfg.max_epochs == stage.epochs == len(FACTORS[stage.epochs])
    assert cfg.param_scheduler == dict(type='MultiStepLR', by_epoch=True, gamma=0.1, milestones=[
        epoch for epoch in range(1, stage.epochs) if FACTORS[stage.epochs][epoch] != FACTORS[stage.epochs][epoch - 1]])
    assert cfg.optim_wrapper.optimizer == dict(
        type='AdamW', lr=1e-4, betas=(0.9, 0.999), eps=1e-8, weight_decay=stage.decay)
    assert cfg.optim_wrapper.clip_grad == dict(max_norm=0.1, norm_type=2)
    assert 'accumulative_counts' not in cfg.optim_wrapper and cfg.randomness.seed == 42
    loader = cfg.train_dataloader
    assert (loader.batch_size, loader.drop_last, f'xb{stage.batch}-' in name) == (stage.batch, True, True)
    sets = loader.dataset.get('datasets', [loader.dataset])
    assert tuple(part.type for part in sets) == stage.sets and loader.dataset.get('repeats') is None
    images = [(part.subset, part.get('split_by')) for part in sets if part.type == IMAGES]
    assert images == ([('refcoco', None), ('refcoco+', None), ('refcocog', 'umd')] if images else [])
    for part in sets:
        assert (part.split, part.unit) == ('train', 'expression')
        assert sampled_frames(part.pipeline, part.get('clip_length')) == stage.frames
        steps = [step.type for step in part.pipeline]
        assert ('PhotometricDistortClip' in steps) == (stage.frames > 1)
        whole, cut = next(step.branches for step in part.pipeline if step.type == 'RandomBranchClip')
        sides, bound = ([*range(480, 769, 32)], 800) if stage.frames == 1 else (
            [288, 320, 352, 392, 416, 448, 480, 512], 640)
        assert whole == [dict(type='RandomResizeClip', short_sides=sides, max_long_side=bound)]
        assert [step.type for step in cut] == ['RandomResizeClip', 'RandomCropClip', 'RandomResizeClip']
        assert cut[0].short_sides == [400, 500, 600] and (cut[1].min_side, cut[1].max_side) == (384, 600)
        last = [296, 328, 360, 392, 416, 448, 480, 512] if stage.frames == 1 else sides
        assert (cut[2].short_sides, cut[2].max_long_side) == (last, 640)


@pytest.mark.parametrize('name', TRAINED)
def test_start_of_the_stage(name):
    cfg, (backbone, stage) = load(name), parts_of(name)
    start = cfg.model.get('init_cfg')
    if STAGES[stage].start == 'pre-trained':
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
    theirs, seen = reference_names(backbone), []
    for name in (name for name in TRAINED if parts_of(name)[0] == backbone):
        cfg, stage = load(name), STAGES[parts_of(name)[1]]
        if (cfg.optim_wrapper, stage.frozen) in seen:  # many stages share them
            continue
        seen.append((cfg.optim_wrapper, stage.frozen))
        model, found = meta_network(cfg.model.to_dict()), {}
        names = {parameter: own for own, parameter in model.named_parameters()}
        for group in optimizer_of(cfg, model).param_groups:
            found |= {names[parameter]: (group['lr'], group['weight_decay']) for parameter in group['params']}
        sizes = Counter()
        for own, parameter in model.named_parameters():
            if parameter.requires_grad:
                rate = rate_by_the_paper(theirs[own])
                assert found[own] == pytest.approx((rate, stage.decay)), (name, own)
                sizes[rate] += parameter.numel()
        text = {} if stage.frozen else {1e-5: 124_645_632}
        assert set(sizes) == {5e-5, 1e-4, *text} and sizes[5e-5] == BACKBONES[backbone][3]
        assert text.items() <= sizes.items()


def test_metafile_lists_every_config_with_the_scores_of_the_page():
    models = {model['Name']: model for model in yaml.safe_load((FOLDER / 'metafile.yml').read_text())['Models']}
    assert set(models) == set(CONFIGS)
    page = (FOLDER / 'README.md').read_text()
    for name, model in models.items():
        assert (ROOT / model['Config']) == CONFIGS[name]
        assert model['Metadata'].get('Epochs', 0) == STAGES[parts_of(name)[1]].epochs
        for result in model.get('Results', []):
            assert result['Reported by'] == 'the authors'
            assert all(f'{score:.1f}' in page for score in result['Metrics'].values())
