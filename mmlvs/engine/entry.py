"""What the command line tools share."""

import importlib.util
import os.path as osp
import warnings

from mmengine.config import Config

from mmlvs.engine.runner import Runner
from mmlvs.registry import RUNNERS
from mmlvs.utils import check_config


def make_runner(cfg: Config) -> Runner:
    """Check a config and build its Runner.

    Raises:
        ConfigKeyError: a key that nobody understands.
        FileNotFoundError: ``load_from`` names no file.
    """
    cfg.setdefault('default_scope', 'mmlvs')
    check_config(cfg)
    if cfg.get('load_from') and '://' not in cfg.load_from and not osp.isfile(osp.expanduser(cfg.load_from)):
        raise FileNotFoundError(f'checkpoint {cfg.load_from} does not exist')
    return RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)


def warn_without_tensorboard(cfg: Config) -> None:
    """Leave out TensorBoard's log with a warning when the package is not there."""
    backends = cfg.get('vis_backends') or []
    if importlib.util.find_spec('tensorboard') is not None:
        return
    if any(backend['type'] == 'TensorboardVisBackend' for backend in backends):
        warnings.warn('tensorboard is not installed: no TensorBoard log is written (pip install tensorboard)',
                      stacklevel=2)
    kept = [backend for backend in backends if backend['type'] != 'TensorboardVisBackend']
    cfg.vis_backends = kept
    if cfg.get('visualizer'):
        cfg.visualizer.vis_backends = kept
