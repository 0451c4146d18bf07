"""Runs that are killed (SIGKILL) and started again end as the run that was not, and leave no half-written file."""

import json
import os
import random
import signal
import time
import zipfile
from pathlib import Path

import pytest
import torch
from PIL import Image

from mmlvs.datasets.moving_shapes import MovingShapesSettings, generate
from mmlvs.io import atomic
from mmlvs.io.checkpoint import load_checkpoint_file
from tests.tools.jobs import CONFIG, finish, start, tool


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp('shapes')
    generate(folder, MovingShapesSettings(level='easy', height=64, width=64, frames=8), dict(train=6, valid=1, test=2))
    return folder


def dying_tool(number, *arguments):
    """A tool that is killed in the middle of the ``number``-th file it writes whole, with half of that file on disk."""
    real, seen = atomic._sync, []

    def sync(path):
        if path.is_file():
            seen.append(path)
            if len(seen) == number:
                os.truncate(path, path.stat().st_size // 2)
                os.kill(os.getpid(), signal.SIGKILL)
        real(path)

    atomic._sync = sync
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
    finish(start(tool, *arguments, log=log), log)
    return time.monotonic() - begin


def run_into_write(number, log, *arguments):
    """Run a tool that dies in its ``number``-th write."""
    process = start(dying_tool, number, *arguments, log=log)
    process.join(timeout=600)
    assert process.exitcode == -signal.SIGKILL, log.read_text()[-3000:]


def run_for(seconds, log, *arguments):
    """Run a tool and kill it after some seconds, whatever it is doing; whether it was killed."""
    process = start(tool, *arguments, log=log)
    process.join(timeout=seconds)
    process.kill()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL), log.read_text()[-3000:]
    return process.exitcode != 0


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
    finish(start(int, log=work / 'log'), work / 'log')  # the server of processes is up
    return work, run(work / 'log', *train(data, work))


def test_killed_while_writing_a_checkpoint(data, straight, tmp_path):
    arguments = train(data, tmp_path)
    run_into_write(2, tmp_path / 'log', *arguments)
    assert len(unfinished(tmp_path)) == 1 and sorted(p.name for p in tmp_path.glob('iter*')) == ['iter_2.pth']
    check_whole(tmp_path)
    run(tmp_path / 'log', *arguments)
    same_training(tmp_path, straight[0])


@pytest.mark.slow
@pytest.mark.parametrize('seed', range(4))
def test_killed_at_random_times_of_training(data, straight, tmp_path, seed):
    draw, arguments = random.Random(seed), train(data, tmp_path)
    run_into_write(draw.randint(1, 3), tmp_path / 'log', *arguments)
    for _ in range(3):
        check_whole(tmp_path)
        run_for(draw.uniform(0.1, 0.9) * straight[1], tmp_path / 'log', *arguments)
    check_whole(tmp_path)
    run(tmp_path / 'log', *arguments)
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
    process = start(tool, *arguments, log=tmp_path / 'broken/log')
    while not (tmp_path / 'broken/iter_6.pth').exists():
        time.sleep(0.005)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL, 'ended before it was killed'
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
    run_into_write(1, tmp_path / 'broken/log', *arguments)
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
    run_into_write(images // 2, tmp_path / 'log', *arguments)
    assert len(unfinished(tmp_path)) == 1 and not (tmp_path / 'files/submission.zip').exists()
    check_whole(tmp_path)
    run(tmp_path / 'log', *arguments)
    assert results(tmp_path) == want


@pytest.mark.slow
@pytest.mark.parametrize('seed', range(3))
def test_killed_at_random_points_of_prediction(data, straight, tested, tmp_path, seed):
    draw, (want, seconds) = random.Random(seed), tested
    arguments = prediction(data, straight, tmp_path)
    for _ in range(3):
        if draw.random() < 0.6:  # a picture, a table, the archive or the scores
            run_into_write(draw.randint(1, len(want)), tmp_path / 'log', *arguments)
        else:
            run_for(draw.uniform(0.2, 1.0) * seconds, tmp_path / 'log', *arguments)
        check_whole(tmp_path)
    run(tmp_path / 'log', *arguments)
    assert results(tmp_path) == want
