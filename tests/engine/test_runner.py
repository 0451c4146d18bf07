"""Safe files and the Runner's own rules; whole runs are in tests/doors."""

import os
import pickle
from pathlib import Path

import pytest
import torch

from mmlvs.engine.hooks.random_state_hook import random_state, set_random_state
from mmlvs.engine.runner import newest_checkpoint
from mmlvs.io.checkpoint import CheckpointError, load_checkpoint_file, save_checkpoint_file


class Malicious:
    """Runs a command when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f'touch {self.path}',)


@pytest.mark.parametrize('zipped', [True, False])
def test_a_malicious_checkpoint_runs_nothing(tmp_path, zipped):
    trace, file = tmp_path / 'ran', tmp_path / 'bad.pth'
    torch.save(dict(state_dict=Malicious(trace)), file, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match='bad.pth'):
        load_checkpoint_file(file)
    assert not trace.exists()
    pickle.loads(pickle.dumps(Malicious(trace)))
    assert trace.exists(), 'the file would have run something'


def test_getattr_in_a_checkpoint_reaches_log_statistics_only(tmp_path):
    class Reach:
        def __reduce__(self):
            return getattr, (torch.Tensor, 'tofile')

    torch.save(dict(state_dict=Reach()), tmp_path / 'reach.pth')
    with pytest.raises(CheckpointError, match='reach.pth'):
        load_checkpoint_file(tmp_path / 'reach.pth')


def test_a_truncated_checkpoint_names_itself(tmp_path):
    file = tmp_path / 'half.pth'
    save_checkpoint_file(dict(state_dict=dict(a=torch.ones(1000))), file)
    file.write_bytes(file.read_bytes()[:1500])
    with pytest.raises(CheckpointError, match='half.pth'):
        load_checkpoint_file(file)
    with pytest.raises(FileNotFoundError, match='none.pth'):
        load_checkpoint_file(tmp_path / 'none.pth')


def test_safetensors_are_read(tmp_path):
    from safetensors.torch import save_file

    save_file(dict(weight=torch.arange(3.0)), str(tmp_path / 'a.safetensors'))
    assert torch.equal(load_checkpoint_file(tmp_path / 'a.safetensors')['state_dict']['weight'], torch.arange(3.0))


def test_a_failed_write_leaves_the_old_file(tmp_path):
    file = tmp_path / 'epoch_1.pth'
    save_checkpoint_file(dict(state_dict=dict(a=torch.ones(2))), file)
    with pytest.raises(Exception, match='(?i)pickle|local'):
        save_checkpoint_file(dict(state_dict=dict(a=torch.zeros(2)), bad=lambda: None), file)
    assert torch.equal(load_checkpoint_file(file)['state_dict']['a'], torch.ones(2))
    assert [p.name for p in tmp_path.iterdir()] == ['epoch_1.pth']


def test_newest_checkpoint_goes_by_number(tmp_path):
    assert newest_checkpoint(tmp_path) is None
    for name in ('epoch_2.pth', 'epoch_10.pth', 'best_jf_epoch_12.pth', '.epoch_11.part.pth', 'last_checkpoint'):
        (tmp_path / name).touch()
    assert newest_checkpoint(tmp_path).name == 'epoch_10.pth'


def test_random_state_goes_through_a_file(tmp_path):
    import random

    import numpy as np

    save_checkpoint_file(dict(random_states=[random_state()]), tmp_path / 'a.pth')
    expected = random.random(), np.random.rand(3).tolist(), torch.rand(3).tolist()
    set_random_state(load_checkpoint_file(tmp_path / 'a.pth')['random_states'][0])
    assert (random.random(), np.random.rand(3).tolist(), torch.rand(3).tolist()) == expected
