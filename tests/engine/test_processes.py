"""Processes without a GPU find each other, whoever started them."""

import os

import pytest
import torch

from mmlvs.engine.processes import start_gloo


def test_srun_tells_the_processes_who_they_are(monkeypatch):
    calls = []
    monkeypatch.setattr(torch.distributed, 'init_process_group', lambda **settings: calls.append(settings))
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT'):
        monkeypatch.setenv(name, 'before')
    monkeypatch.delenv('MASTER_PORT')
    for name in ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID', 'SLURM_NODELIST'):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RuntimeError, match='SLURM_PROCID.*start the processes with srun'):
        start_gloo('slurm')
    for name, value in dict(PROCID='3', NTASKS='8', LOCALID='1', NODELIST='node[1-2]').items():
        monkeypatch.setenv(f'SLURM_{name}', value)
    assert start_gloo('slurm') and calls == [dict(backend='gloo')]
    names = ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT')
    assert [os.environ[name] for name in names] == ['3', '8', '1', 'before', '29500']


def test_other_launchers_and_gpus_are_left_to_mmengine(monkeypatch):
    monkeypatch.setattr(torch.distributed, 'init_process_group', lambda **settings: pytest.fail('made a group'))
    assert not start_gloo('mpi') and not start_gloo('none')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    assert not start_gloo('pytorch') and not start_gloo('slurm')
