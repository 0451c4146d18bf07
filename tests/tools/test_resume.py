"""Training that is killed and resumed ends with the weights of the run that was not."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from mmlvs.datasets.moving_shapes import MovingShapesSettings, generate
from mmlvs.io.checkpoint import load_checkpoint_file

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / 'configs/referformer/referformer_tiny_1xb8-640i_moving-shapes-easy.py'


def start(data: Path, work: Path, *more: str) -> subprocess.Popen:
    options = [f'{part}_dataloader.dataset.data_root={data}' for part in ('train', 'val', 'test')]
    options += ['train_cfg.max_iters=6', 'train_dataloader.batch_size=2', 'default_hooks.checkpoint.interval=2',
                'default_hooks.checkpoint.max_keep_ckpts=3', 'model.text_dropout=0.1', 'model.transformer.dropout=0.1']
    command = [str(ROOT / 'tools/train.py'), str(CONFIG), '--work-dir', str(work), *more, '--cfg-options', *options]
    return subprocess.Popen(
        [sys.executable, *command],
        env={**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen) -> None:
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors[-3000:]


@pytest.mark.slow
def test_kill_and_resume_equals_the_uninterrupted_run(tmp_path):
    data = tmp_path / 'data'
    generate(data, MovingShapesSettings(level='easy', height=64, width=64), dict(train=6, valid=1))
    finish(start(data, tmp_path / 'straight'))
    broken = start(data, tmp_path / 'broken')
    deadline = time.monotonic() + 200
    while not (tmp_path / 'broken/iter_2.pth').exists():
        assert time.monotonic() < deadline and broken.poll() is None, broken.stderr.read()[-3000:]
        time.sleep(0.02)
    broken.send_signal(signal.SIGKILL)
    broken.wait()
    assert not (tmp_path / 'broken/iter_6.pth').exists(), 'killed too late: nothing was interrupted'
    finish(start(data, tmp_path / 'broken', '--resume'))
    straight, resumed = (load_checkpoint_file(tmp_path / name / 'iter_6.pth') for name in ('straight', 'broken'))
    assert straight['meta']['iter'] == resumed['meta']['iter'] == 6
    assert all(torch.equal(value, resumed['state_dict'][name]) for name, value in straight['state_dict'].items())
