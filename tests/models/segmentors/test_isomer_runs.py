"""Isomer trains and tests from files, through config, data set and metric: with flow images, and without."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmlvs.datasets.moving_shapes import MovingShapesSettings, generate
from mmlvs.engine.entry import make_runner
from mmlvs.io.flow import DISFlow
from mmlvs.io.flow_files import find_flow_jobs, run_flow_jobs

ROOT = Path(__file__).parents[3]
SMALL = dict(embed_dim=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 1, 2))
CONFIG = ROOT / 'configs/isomer/isomer_tiny_1xb16-1500i_moving-shapes-zero-shot.py'


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp('shapes')
    settings = MovingShapesSettings(level='easy', form='zero-shot', height=64, width=64, frames=10)
    generate(folder, settings, dict(train=2, valid=1, test=1))
    for split in ('train', 'valid', 'test'):
        jobs = find_flow_jobs([folder / split / 'JPEGImages'], folder / split / 'Flow')
        assert not run_flow_jobs(jobs, DISFlow())[1]
    return folder


def config(data, work, **options):
    cfg = Config.fromfile(CONFIG)
    cfg.merge_from_dict({
        **{f'{part}_dataloader.dataset.data_root': str(data) for part in ('train', 'val', 'test')},
        'train_dataloader.num_workers': 0, 'train_dataloader.persistent_workers': False,
        'train_dataloader.batch_size': 2, 'train_cfg.max_iters': 2, 'train_cfg.val_interval': 2,
        **{f'model.backbone.{stream}': SMALL for stream in ('appearance', 'motion')},
        'default_hooks.checkpoint.interval': 2, 'log_level': 'ERROR', 'vis_backends': [], 'visualizer.vis_backends': [],
        **options})
    cfg.work_dir = str(work)
    return cfg


def test_from_training_to_scores(data, tmp_path):
    runner = make_runner(config(data, tmp_path))
    runner.train()
    scores = runner.message_hub.log_scalars
    assert torch.isfinite(torch.tensor(scores['train/loss'].current()))
    assert 0 <= scores['val/valid/J&F'].current() <= 100
    tested = {}
    for name, options in dict(
            whole={}, cut={'test_dataloader.dataset.clip_length': 3},
            computed={'test_dataloader.dataset.flow': None, 'test_dataloader.dataset.clip_length': 3,
                      'test_dataloader.dataset.pipeline': [dict(type=kind) for kind in (
                          'LoadFrames', 'LoadLookAhead', 'LoadMasks', 'PackClip')]}).items():
        cfg = config(data, tmp_path / name, load_from=str(tmp_path / 'iter_2.pth'), **options)
        tested[name] = make_runner(cfg).test()
    # clips only bound the memory: 10 frames are 3 + 3 + 3 + 1; and flow from frames is that of the files
    assert tested['whole'] == pytest.approx(tested['cut'], rel=1e-3)
    assert tested['whole'] == pytest.approx(tested['computed'], rel=1e-3)
