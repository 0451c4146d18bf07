"""Train a model: ``python tools/train.py CONFIG [--work-dir DIR] [--resume] ...``."""

import argparse
import os
import os.path as osp

from mmengine.config import DictAction

from mmlvs.engine.entry import load_config, make_runner, resume_automatically, warn_without_tensorboard


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Train a model')
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder of logs and checkpoints; default work_dirs/<config name>')
    parser.add_argument('--resume', nargs='?', const='auto',
                        help='go on from the newest checkpoint of the work folder, or from the given file')
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
    if 'train_dataloader' not in cfg:
        raise SystemExit(f'{args.config} is for testing alone (it has no train_dataloader); train the config that it '
                         'inherits')
    if args.amp:
        cfg.optim_wrapper.type = 'mmlvs.BFloat16OptimWrapper'
    if args.resume == 'auto':
        resume_automatically(cfg)
    elif args.resume:
        cfg.resume, cfg.load_from = True, args.resume
    warn_without_tensorboard(cfg)
    make_runner(cfg).train()


if __name__ == '__main__':
    main()
