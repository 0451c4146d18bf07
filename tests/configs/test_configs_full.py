"""Configs with backbones of other toolboxes train, save, load and predict."""

import re

import pytest
import torch
from mmengine.config import Config

from mmlvs.datasets.moving_shapes import MovingShapesSettings, generate
from mmlvs.engine.entry import make_runner
from mmlvs.io.checkpoint import load_checkpoint_file
from tests.configs.test_configs import FOREIGN

pytestmark = pytest.mark.full


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp('shapes')
    generate(folder, MovingShapesSettings(level='easy', height=64, width=64, frames=8), dict(train=4, valid=1))
    return folder


def load(path, data, work):
    cfg = Config.fromfile(path)
    cfg.merge_from_dict({
        **{f'{part}_dataloader.dataset.data_root': str(data) for part in ('train', 'val', 'test')},
        'train_dataloader.num_workers': 0, 'train_dataloader.persistent_workers': False,
        'train_dataloader.batch_size': 2, 'train_cfg.max_iters': 2, 'train_cfg.val_interval': 2,
        'default_hooks.checkpoint.interval': 2, 'default_hooks.logger.interval': 1, 'vis_backends': [],
        'visualizer.vis_backends': [], 'work_dir': str(work)})
    return cfg


def test_there_is_one_for_each_toolbox():
    networks = [Config.fromfile(path).model.backbone.network.type for path in FOREIGN]
    assert {'mmdet.ResNet', 'mmdet.SwinTransformer', 'TimmNetwork'} <= set(networks)


@pytest.mark.parametrize('path', FOREIGN, ids=lambda path: path.stem)
def test_two_iterations(path, data, tmp_path):
    runner = make_runner(load(path, data, tmp_path))
    before = {name: value.clone() for name, value in runner.model.state_dict().items()}
    runner.train()
    losses, scores = (runner.message_hub.get_scalar(name).data[0] for name in ('train/loss', 'val/valid/J&F'))
    assert len(losses) == 2 and all(loss > 0 for loss in losses) and len(scores) == 1
    after = runner.model.state_dict()
    still = [name for name, parameter in runner.model.named_parameters()
             if parameter.requires_grad and torch.equal(before[name], after[name])]
    assert not [name for name in still if name.startswith('backbone.')], 'part of the backbone does not learn'
    saved = load_checkpoint_file(tmp_path / 'iter_2.pth')['state_dict']
    assert set(saved) == set(after) and all(torch.equal(saved[name], after[name]) for name in after)


@pytest.mark.parametrize('path', FOREIGN, ids=lambda path: path.stem)
def test_misspelt_settings_of_the_network_fail(path, tmp_path):
    cfg = load(path, tmp_path, tmp_path)
    cfg.model.backbone.network.dept = 18
    with pytest.raises((KeyError, TypeError), match=re.escape('dept')):
        make_runner(cfg)
