"""What the command line tools share."""

import importlib.util
import os
import os.path as osp
import warnings

import torch
from mmengine.config import Config

from mmlvs.engine.rules import newest_checkpoint
from mmlvs.engine.runner import Runner
from mmlvs.registry import RUNNERS
from mmlvs.utils import check_config
from mmlvs.utils.config_check import declared_names


def load_config(path: str | os.PathLike, options: dict | None = None) -> Config:
    """Read a config with all it inherits, and override settings as ``--cfg-options`` does.

    An override of a variable (``_vars_``), with which the file has worked already, is warned of.

    Raises:
        FileNotFoundError: there is no such file.
    """
    if not osp.isfile(path):
        raise FileNotFoundError(f'there is no config at {path}: expected a file such as '
                                'configs/referformer/referformer_r50_8xb1-6e_ref-youtube-vos.py')
    cfg = Config.fromfile(path)
    variables = declared_names(cfg)
    late = sorted({key.split('.')[0] for key in options or {}} & variables)
    if late:
        warnings.warn(f'{", ".join(late)}: a variable of {path}, whose value has gone into other settings while the '
                      'file was read; setting it now changes none of them. Override the settings that hold it '
                      '(tools/analysis_tools/print_config.py shows them), or inherit the config in one of yours',
                      stacklevel=2)
    cfg.merge_from_dict(options or {})
    return cfg


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


def resume_automatically(cfg: Config) -> None:
    """Go on from the newest checkpoint of the work folder; where there is none, start as the config says (with the
    weights of its ``load_from``, if it names some), so that a run killed before its first checkpoint is the same run.
    """
    newest = newest_checkpoint(cfg.work_dir)
    cfg.resume = newest is not None
    if newest is not None:
        cfg.load_from = None


def predict_in_bfloat16(cfg: Config) -> None:
    """Test under autocast, in bfloat16 on a GPU too, where mmengine's loop takes torch's default (float16)."""
    cfg.test_cfg.fp16 = True
    torch.set_autocast_dtype('cuda', torch.bfloat16)


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
