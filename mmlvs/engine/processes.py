"""Several processes without a GPU: the process group is gloo, whichever launcher started them."""

import os
import subprocess

import torch
import torch.distributed
from mmengine.dist import is_distributed

_SLURM = dict(RANK='SLURM_PROCID', WORLD_SIZE='SLURM_NTASKS', LOCAL_RANK='SLURM_LOCALID')


def start_gloo(launcher: str) -> bool:
    """Make a gloo process group where mmengine's ``init_dist`` would ask for a GPU that is not there.

    Args:
        launcher: ``'pytorch'`` (environment set by torchrun) or ``'slurm'`` (environment set by srun); others are left
            to mmengine.

    Returns:
        Whether there is a process group now that mmengine need not make any more.

    Raises:
        RuntimeError: ``'slurm'`` outside of srun.
    """
    if is_distributed():
        return True
    if torch.cuda.is_available() or launcher not in ('pytorch', 'slurm'):
        return False
    if launcher == 'slurm':
        _read_slurm()
    torch.distributed.init_process_group(backend='gloo')
    return True


def _read_slurm() -> None:
    """Tell torch.distributed what srun told this process."""
    missing = [name for name in (*_SLURM.values(), 'SLURM_NODELIST') if name not in os.environ]
    if missing:
        raise RuntimeError(f'--launcher slurm, but {missing} are not set: start the processes with srun '
                           '(bash tools/slurm_train.sh, tools/slurm_test.sh)')
    for name, source in _SLURM.items():
        os.environ[name] = os.environ[source]
    os.environ.setdefault('MASTER_PORT', '29500')
    if 'MASTER_ADDR' not in os.environ:
        names = subprocess.run(['scontrol', 'show', 'hostnames', os.environ['SLURM_NODELIST']], check=True, text=True,
                               capture_output=True).stdout.split()
        os.environ['MASTER_ADDR'] = names[0]
