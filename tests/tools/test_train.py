"""Options of training and testing from the command line: bfloat16."""

import json
import math

import pytest
import torch
from mmengine.config import Config

from mmlvs.datasets.moving_shapes import MovingShapesSettings, generate
from tests.tools.jobs import CONFIG, finish, start, tool


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp('shapes')
    generate(folder, MovingShapesSettings(level='easy', height=64, width=64, frames=8), dict(train=2, valid=1, test=1))
    return folder


def train_and_test(data, work):
    """The same training with and without --amp, and tests of its weights, in one process."""
    cfg = Config.fromfile(CONFIG)
    cfg.merge_from_dict({
        **{f'{part}_dataloader.dataset.data_root': str(data) for part in ('train', 'val', 'test')},
        'train_dataloader.num_workers': 0, 'train_dataloader.persistent_workers': False,
        'train_dataloader.batch_size': 2, 'train_cfg.max_iters': 24, 'default_hooks.logger.interval': 1,
        'log_processor.window_size': 1, 'visualizer.vis_backends': [dict(type='LocalVisBackend')]})
    cfg.param_scheduler = []
    work.mkdir(exist_ok=True)
    cfg.dump(work / 'config.py')
    for name, amp in (('amp', ['--amp']), ('plain', [])):
        folder = work / name
        tool('train.py', str(work / 'config.py'), '--work-dir', str(folder), *amp, '--cfg-options',
             f'visualizer.name={name}')  # a name's log goes on in its first folder
        tool('test.py', str(work / 'config.py'), str(folder / 'iter_24.pth'), '--work-dir', str(work / 'test'), *amp,
             '--out', str(folder / 'scores.json'))


def test_training_and_testing_in_bfloat16(data, tmp_path):
    finish((start(train_and_test, data, tmp_path, log=tmp_path / 'log'), tmp_path / 'log'))
    losses, scores = {}, {}
    for name in ('amp', 'plain'):
        (file, ) = (tmp_path / name).glob('*/vis_data/scalars.json')
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        losses[name] = [row['loss'] for row in rows if 'loss' in row]
        assert len(losses[name]) == 24 and all(map(math.isfinite, losses[name]))
        assert sum(losses[name][-4:]) < 0.8 * sum(losses[name][:4]), losses[name]
        scores[name] = json.loads((tmp_path / name / 'scores.json').read_text())
        assert 0 <= scores[name]['test/J&F'] <= 100
        weights = torch.load(tmp_path / name / 'iter_24.pth', weights_only=False)['state_dict']
        assert not [key for key, value in weights.items() if value.is_floating_point() and value.dtype != torch.float32]
    assert losses['amp'][0] == pytest.approx(losses['plain'][0], rel=0.03) and losses['amp'] != losses['plain']
    assert scores['amp'].keys() == scores['plain'].keys()
