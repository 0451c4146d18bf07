"""Test a checkpoint: ``python tools/test.py CONFIG CHECKPOINT [--work-dir DIR] [--out FILE.json] [--show-dir DIR]
...``."""

import argparse
import json
import math
import os
import os.path as osp

from mmengine.config import DictAction
from mmengine.dist import is_main_process

from mmlvs.engine.entry import load_config, make_runner, predict_in_bfloat16, warn_without_tensorboard
from mmlvs.io.atomic import atomic_path, remove_parts


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Test a checkpoint')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file (.pth or .safetensors)')
    parser.add_argument('--work-dir', help='folder of logs and tables; default work_dirs/<config name>')
    parser.add_argument('--out', help='write the scores to this JSON file (null: nothing to measure)')
    parser.add_argument('--show-dir', help='write overlays of every tested clip into this folder')
    parser.add_argument('--amp', action='store_true', help='bfloat16 autocast, on CPU as on GPU')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='override settings: key=value …')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    args = parser.parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def main() -> None:
    args = parse_args()
    cfg = load_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or osp.join(
        'work_dirs', osp.splitext(osp.basename(args.config))[0])
    cfg.load_from, cfg.resume = args.checkpoint, False
    if args.amp:
        predict_in_bfloat16(cfg)
    if args.show_dir:
        hook = cfg.default_hooks.get('visualization') or dict(type='mmlvs.ClipVisualizationHook')
        cfg.default_hooks.visualization = {**hook, 'test_dir': args.show_dir}
    warn_without_tensorboard(cfg)
    scores = make_runner(cfg).test()
    if args.out and is_main_process():
        remove_parts(osp.dirname(args.out) or '.', osp.splitext(osp.basename(args.out))[0])  # of a killed test
        with atomic_path(args.out) as temporary, open(temporary, 'w') as f:
            json.dump({name: value if math.isfinite(value) else None for name, value in scores.items()}, f, indent=1)


if __name__ == '__main__':
    main()
