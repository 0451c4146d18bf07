"""The Slurm scripts hand everything on."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def script(folder, name, *arguments, **environment):
    """Run a script with stand-ins for srun and python that write down how they were called."""
    for tool in ('srun', 'python'):
        path = folder / tool
        path.write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done\n')
        path.chmod(0o755)
    plain = {key: value for key, value in os.environ.items() if not key.startswith(('GPUS', 'GRES', 'SRUN', 'CPUS'))}
    return subprocess.run(['bash', ROOT / 'tools' / name, *arguments], text=True, capture_output=True, timeout=60, env={
        **plain, 'PATH': f'{folder}:{os.environ["PATH"]}', 'PYTHON': str(folder / 'python'), **environment})


def test_training_is_submitted(tmp_path):
    found = script(tmp_path, 'slurm_train.sh', 'part', 'name', 'c.py', 'a dir', '--resume', '--amp', GPUS='16',
                   SRUN_ARGS='--quotatype=auto --exclusive')
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines() == [
        '-p', 'part', '--job-name=name', '--gres=gpu:8', '--ntasks=16', '--ntasks-per-node=8', '--cpus-per-task=5',
        '--kill-on-bad-exit=1', '--quotatype=auto', '--exclusive', str(tmp_path / 'python'), '-u',
        str(ROOT / 'tools/train.py'), 'c.py', '--work-dir', 'a dir', '--launcher', 'slurm', '--resume', '--amp']


def test_testing_is_submitted_without_gpus(tmp_path):
    found = script(tmp_path, 'slurm_test.sh', 'part', 'name', 'c.py', 'w.pth', '--out', 'o.json', GPUS='2', GRES='',
                   CPUS_PER_TASK='1')
    assert found.returncode == 0, found.stderr
    words = found.stdout.splitlines()
    assert '--ntasks-per-node=2' in words and not any('gres' in word for word in words)
    assert words[-7:] == [str(ROOT / 'tools/test.py'), 'c.py', 'w.pth', '--launcher', 'slurm', '--out', 'o.json']


@pytest.mark.parametrize(('name', 'usage'), [
    ('slurm_train.sh', 'CONFIG WORK_DIR'), ('slurm_test.sh', 'CONFIG CHECKPOINT')])
def test_usage(tmp_path, name, usage):
    found = script(tmp_path, name, 'part', 'name', 'c.py')
    assert found.returncode == 1 and f'PARTITION JOB_NAME {usage}' in found.stderr
