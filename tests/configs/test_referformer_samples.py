"""Every stage of ReferFormer on the tiny samples of its data sets: two iterations, tests, and the way from one stage to
the next, with the settings of the configs but a small network and small frames."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.dataset import pseudo_collate

from mmlvs.engine.entry import make_runner
from mmlvs.io.checkpoint import load_checkpoint_file
from mmlvs.registry import MODELS

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / 'tests' / 'data' / 'samples'
ROOTS = dict(RefCOCODataset='refer_data', RefYouTubeVOSDataset='ref-youtube-vos', A2DSentencesDataset='a2d_sentences',
             JHMDBSentencesDataset='jhmdb_sentences', RefDAVISDataset='ref-davis')
SMALL = dict(RandomResizeClip=dict(short_sides=[40, 48], max_long_side=80), ResizeClip=dict(short_side=40),
             RandomCropClip=dict(min_side=32, max_side=48))
# of the network: everything else (queries, candidates, query choice, padding, way back, freezing) is the stage's own
PARTS = ('transformer', 'pixel_decoder', 'mask_head', 'fusion_heads', 'projection_groups')


def shrink(part):
    """Small frames and the samples as roots, anywhere in a part of a config."""
    if isinstance(part, dict):
        part.update({key: value for key, value in SMALL.get(part.get('type'), {}).items() if key in part})
        if part.get('type') in ROOTS:
            part['data_root'] = str(SAMPLES / ROOTS[part['type']])
        for value in part.values():
            shrink(value)
    elif isinstance(part, (list, tuple)):
        for value in part:
            shrink(value)


def load(name, work, **options):
    """A config with a small network."""
    cfg = Config.fromfile(ROOT / 'configs' / 'referformer' / f'referformer_{name}.py')
    tiny = Config.fromfile(ROOT / 'configs' / '_base_' / 'models' / 'referformer_tiny.py').model
    frozen = cfg.model.text_encoder.frozen
    cfg.model.update({key: tiny[key] for key in PARTS})
    cfg.model.backbone = ConfigDict(type='ResNetBackbone', depths=(1, 1, 1, 1), base_width=8, frozen_norm=True)
    cfg.model.text_encoder = ConfigDict(tiny.text_encoder, frozen=frozen)
    for part in ('train', 'test'):
        if f'{part}_dataloader' in cfg:
            cfg[f'{part}_dataloader'].update(num_workers=0, persistent_workers=False)
            shrink(cfg[f'{part}_dataloader'].dataset)
    evaluator = cfg.test_evaluator
    for metric in evaluator if isinstance(evaluator, list) else [evaluator]:
        if 'out_dir' in metric:
            metric.out_dir = str(work / 'written')
    if 'train_cfg' in cfg:
        cfg.train_cfg = ConfigDict(type='IterBasedTrainLoop', max_iters=2)
        cfg.train_dataloader.sampler.infinite = True
        cfg.default_hooks.checkpoint.update(by_epoch=False, interval=2)
        cfg.default_hooks.logger.interval = 1
        cfg.log_processor.update(by_epoch=False, window_size=1)
    cfg.default_hooks.visualization.num_videos = 0
    cfg.merge_from_dict({'vis_backends': [], 'visualizer.vis_backends': [dict(type='LocalVisBackend')],
                         'log_level': 'ERROR', 'work_dir': str(work), 'experiment_name': str(work), **options})
    return cfg


def train(cfg):
    """The runner of two iterations; some losses, all finite."""
    runner = make_runner(cfg)
    runner.train()
    losses = runner.message_hub.log_scalars['train/loss'].data[0]
    assert len(losses) == 2 and all(0 < loss < float('inf') for loss in losses)
    return runner


def check_scores(found, *names):
    assert set(names) <= set(found) and all(0 <= found[name] <= 100 for name in names)


@pytest.fixture(scope='module', autouse=True)
def plain_config_files():
    """The many configs that the runs write are not formatted, which would take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Config, 'pretty_text', property(lambda self: repr(self.to_dict())))
        yield


@pytest.fixture(scope='module')
def pre_trained(tmp_path_factory):
    """The pre-training on images: its runner and its checkpoint."""
    work = tmp_path_factory.mktemp('pre-trained')
    return train(load('r50_32xb2-12e_refcoco', work)), work / 'iter_2.pth'


def test_pre_training_on_images(pre_trained):
    runner, _ = pre_trained
    assert any(p.requires_grad for p in runner.model.text_encoder.parameters())
    check_scores(runner.test(), 'refcoco/oIoU', 'refcoco/P@0.5', 'refcoco-box/P@0.5')


def fine_tune(name, pre_trained, work):
    """Train from the pre-training; only the class heads may start with other values."""
    _, file = pre_trained
    cfg = load(f'r50_{name}', work, **{'model.init_cfg.checkpoint': str(file)})
    model, start = MODELS.build(cfg.model), load_checkpoint_file(file)['state_dict']
    model.init_weights()
    state = {key: value for key, value in model.state_dict().items() if not key.endswith('vocabulary')}
    assert {key.split('.')[0] for key, value in state.items() if not torch.equal(value, start[key])} == {'class_heads'}
    return train(cfg)


def test_ref_youtube_vos_and_on_to_ref_davis(pre_trained, tmp_path):
    runner = fine_tune('8xb1-6e_ref-youtube-vos', pre_trained, tmp_path)
    assert not any(p.requires_grad for p in runner.model.text_encoder.parameters())
    runner.test()
    assert list((tmp_path / 'written').rglob('*.png'))
    tested = make_runner(load('r50_8xb1-6e_ref-youtube-vos_test-ref-davis', tmp_path / 'davis',
                              load_from=str(tmp_path / 'iter_2.pth')))
    check_scores(tested.test(), 'ref-davis/J&F', 'ref-davis/anno_3/F')
    assert {path.name for path in (tmp_path / 'davis' / 'written').rglob('anno_?')} == {f'anno_{k}' for k in range(4)}


@pytest.mark.parametrize('start', ['pre-trained', 'scratch'])
def test_a2d_and_on_to_jhmdb(start, pre_trained, tmp_path):
    if start == 'pre-trained':
        name = 'r50_8xb2-6e_a2d-sentences'
        runner = fine_tune(name.removeprefix('r50_'), pre_trained, tmp_path)
    else:
        name = 'video-swin-t_8xb1-12e_a2d-sentences'
        runner = train(load(name, tmp_path))
    check_scores(runner.test(), 'a2d/mAP', 'a2d/oIoU', 'a2d/mIoU', 'a2d/P@0.9')
    clip = runner.test_dataloader.dataset[0]['inputs']['img']
    tested = make_runner(load(f'{name}_test-jhmdb-sentences', tmp_path / 'jhmdb',
                              load_from=str(tmp_path / 'iter_2.pth')))
    check_scores(tested.test(), 'jhmdb/mAP', 'jhmdb/oIoU', 'jhmdb/mIoU')
    assert len(clip) == len(tested.test_dataloader.dataset[0]['inputs']['img']) == (5 if 'b2' in name else 6)


def test_joint_training(tmp_path):
    runner = train(load('r50_8xb1-12e_refcoco-ref-youtube-vos', tmp_path))
    parts = runner.train_dataloader.dataset.datasets
    assert [part.name for part in parts] == ['refcoco', 'refcoco+', 'refcocog', 'Ref-YouTube-VOS']
    for item in (0, -1):  # an image, a video
        data = runner.model.data_preprocessor(pseudo_collate([runner.train_dataloader.dataset[item]]), training=True)
        assert len(data['inputs']['img'].frames[0]) == 5
        assert all(torch.isfinite(loss) for loss in runner.model(**data, mode='loss').values())
    runner.test()
    assert list((tmp_path / 'written').rglob('*.png'))
