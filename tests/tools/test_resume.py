"""Runs that are killed (SIGKILL) and started again end as the run that was not, and leave no half-written file.

``MMLVS_TEST_SEEDS=7,8`` draws other moments (pytest -m slow).
"""

import json
import os
import random
import signal
import time
import zipfile
from pathlib import Path

import pytest
import torch
from mmengine.runner import ValLoop
from PIL import Image

from mmlvs.datasets.moving_shapes import MovingShapesSettings, generate
from mmlvs.io.checkpoint import load_checkpoint_file
from tests.tools.jobs import CONFIG, die_in_write, finish, killed, seeds, start, tool


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp('shapes')
    generate(folder, MovingShapesSettings(level='easy', height=64, width=64, frames=8), dict(train=6, valid=1, test=2))
    return folder


def tool_dying_in_write(number, *arguments):
    die_in_write(number)
    tool(*arguments)


def tool_dying_in_validation(iteration, *arguments):
    """A training that is killed in its validation after some iteration."""
    real = ValLoop.run_iter

    def run_iter(self, *batch):
        if self.runner.iter == iteration:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(self, *batch)

    ValLoop.run_iter = run_iter
    tool(*arguments)


def options(data, **more):
    settings = {**{f'{part}_dataloader.dataset.data_root': data for part in ('train', 'val', 'test')},
                'train_dataloader.num_workers': 0, 'train_dataloader.persistent_workers': False,
                'train_dataloader.batch_size': 2, 'vis_backends': '[]', 'visualizer.vis_backends': '[]', **more}
    return ['--cfg-options', *(f'{name}={value}' for name, value in settings.items())]


def train(data, work, **more):
    """Arguments of a training of six iterations with dropout, trained batch norm and a validation in between."""
    settings = {'train_cfg.max_iters': 6, 'train_cfg.val_interval': 3, 'default_hooks.checkpoint.interval': 2,
                'default_hooks.checkpoint.max_keep_ckpts': 3, 'model.text_dropout': 0.1,
                'model.transformer.dropout': 0.1, **more}
    return ['train.py', str(CONFIG), '--work-dir', str(work), '--resume', *options(data, **settings)]


def run(log, *arguments):
    """Run a tool to its end; seconds it took."""
    begin = time.monotonic()
    finish((start(tool, *arguments, log=log), log))
    return time.monotonic() - begin


def run_into_death(function, *arguments, log):
    assert killed(start(function, *arguments, log=log), log), f'ended before it was killed: {log.read_text()[-3000:]}'


def unfinished(folder):
    return [path for path in Path(folder).rglob('.*.part*')]


def check_whole(folder):
    """Every file of a final name can be read to its end."""
    for path in Path(folder).rglob('*'):
        if path.name.startswith('.') or not path.is_file():
            continue
        if path.suffix == '.pth':
            load_checkpoint_file(path)
        elif path.suffix == '.png':
            with Image.open(path) as image:
                image.load()
        elif path.suffix == '.zip':
            with zipfile.ZipFile(path) as archive:
                assert archive.testzip() is None
        elif path.name == 'scores.json':
            json.loads(path.read_text())


def same_training(work, straight):
    check_whole(work)
    assert not unfinished(work)
    want, found = (load_checkpoint_file(folder / 'iter_6.pth') for folder in (straight, work))
    assert want['meta']['iter'] == found['meta']['iter'] == 6
    assert want['state_dict'].keys() == found['state_dict'].keys()
    assert all(torch.equal(value, found['state_dict'][name]) for name, value in want['state_dict'].items())


@pytest.fixture(scope='module')
def straight(data, tmp_path_factory):
    """Folder of a training that nobody disturbed, and the seconds it took."""
    work = tmp_path_factory.mktemp('straight')
    finish((start(int, log=work / 'log'), work / 'log'))  # the server of processes is up
    return work, run(work / 'log', *train(data, work))


def test_killed_while_writing_a_checkpoint(data, straight, tmp_path):
    arguments = train(data, tmp_path)
    run_into_death(tool_dying_in_write, 2, *arguments, log=tmp_path / 'log')
    assert len(unfinished(tmp_path)) == 1 and sorted(p.name for p in tmp_path.glob('iter*')) == ['iter_2.pth']
    check_whole(tmp_path)
    run(tmp_path / 'log', *arguments)
    same_training(tmp_path, straight[0])


@pytest.mark.slow
@pytest.mark.parametrize('seed', seeds(0, 1, 2, 3))
def test_killed_at_random_times_of_training(data, straight, tmp_path, seed):
    """In any of its writes, then three times at any moment; with any number of processes that read data."""
    draw, log = random.Random(seed), tmp_path / 'log'
    arguments = [train(data, tmp_path, **{'train_dataloader.num_workers': draw.randint(0, 2)}) for _ in range(5)]
    run_into_death(tool_dying_in_write, draw.randint(1, 3), *arguments[0], log=log)
    for again in arguments[1:4]:
        check_whole(tmp_path)
        killed(start(tool, *again, log=log), log, draw.uniform(0.1, 0.9) * straight[1])
    check_whole(tmp_path)
    run(log, *arguments[4])
    same_training(tmp_path, straight[0])


@pytest.mark.slow
def test_a_validation_that_was_killed_is_made_up_for(data, tmp_path):
    """The last checkpoint is written, the validation after it never ends: the resumed run finishes it."""
    best = {'default_hooks.checkpoint.save_best': 'valid/J&F', 'default_hooks.checkpoint.rule': 'greater',
            'train_cfg.val_interval': 2}
    for name in ('straight', 'broken'):
        (tmp_path / name).mkdir()
    run(tmp_path / 'straight/log', *train(data, tmp_path / 'straight', **best))
    names = sorted(path.name for path in (tmp_path / 'straight').glob('*.pth'))
    arguments = train(data, tmp_path / 'broken', **best)
    run_into_death(tool_dying_in_validation, 6, *arguments, log=tmp_path / 'broken/log')
    assert (tmp_path / 'broken/iter_6.pth').exists()
    run(tmp_path / 'broken/log', *arguments)
    assert sorted(path.name for path in (tmp_path / 'broken').glob('*.pth')) == names
    same_training(tmp_path / 'broken', tmp_path / 'straight')


@pytest.mark.slow
def test_a_run_killed_before_its_first_checkpoint_keeps_its_start(data, straight, tmp_path):
    """``--resume`` without a checkpoint starts from the weights that the config loads, as the first start did."""
    (tmp_path / 'straight').mkdir()
    (tmp_path / 'broken').mkdir()
    begin = {'load_from': straight[0] / 'iter_2.pth'}
    run(tmp_path / 'straight/log', *train(data, tmp_path / 'straight', **begin))
    arguments = train(data, tmp_path / 'broken', **begin)
    run_into_death(tool_dying_in_write, 1, *arguments, log=tmp_path / 'broken/log')
    assert not list((tmp_path / 'broken').glob('iter*.pth'))
    run(tmp_path / 'broken/log', *arguments)
    same_training(tmp_path / 'broken', tmp_path / 'straight')


def prediction(data, straight, work):
    """Arguments of a test that writes the submission, tables and scores."""
    config = work / 'config.py'
    if not config.exists():
        config.write_text(f'_base_ = {str(CONFIG)!r}\n'
                          f'test_evaluator = [dict(type="JFMetric", output_dir={str(work / "tables")!r}),\n'
                          f'                  dict(type="RefYouTubeVOSWriter", out_dir={str(work / "files")!r})]\n')
    return ['test.py', str(config), str(straight[0] / 'iter_6.pth'), '--work-dir', str(work / 'run'), '--out',
            str(work / 'scores.json'), *options(data)]


def results(work):
    """All that a test leaves: names and bytes."""
    check_whole(work)
    assert not unfinished(work)
    files = [work / 'scores.json', *(work / 'tables').iterdir(), *(path for path in (work / 'files').rglob('*')
                                                                   if path.is_file())]
    return {str(path.relative_to(work)): path.read_bytes() for path in files}


@pytest.fixture(scope='module')
def tested(data, straight, tmp_path_factory):
    """What an undisturbed test leaves, and the seconds it took."""
    work = tmp_path_factory.mktemp('tested')
    seconds = run(work / 'log', *prediction(data, straight, work))
    return results(work), seconds


def test_killed_while_writing_results(data, straight, tested, tmp_path):
    arguments, want = prediction(data, straight, tmp_path), tested[0]
    images = sum(name.endswith('.png') for name in want)
    assert 'files/submission.zip' in want and images >= 16
    run_into_death(tool_dying_in_write, images // 2, *arguments, log=tmp_path / 'log')
    assert len(unfinished(tmp_path)) == 1 and not (tmp_path / 'files/submission.zip').exists()
    check_whole(tmp_path)
    run(tmp_path / 'log', *arguments)
    assert results(tmp_path) == want


@pytest.mark.slow
@pytest.mark.parametrize('seed', seeds(0, 1, 2))
def test_killed_at_random_points_of_prediction(data, straight, tested, tmp_path, seed):
    draw, log, (want, seconds) = random.Random(seed), tmp_path / 'log', tested
    arguments = prediction(data, straight, tmp_path)
    for _ in range(3):
        if draw.random() < 0.6:  # a picture, a table, the archive or the scores
            run_into_death(tool_dying_in_write, draw.randint(1, len(want)), *arguments, log=log)
        else:
            killed(start(tool, *arguments, log=log), log, draw.uniform(0.2, 1.0) * seconds)
        check_whole(tmp_path)
    run(log, *arguments)
    assert results(tmp_path) == want
