"""Short trainings and tests of the small ReferFormer in one or several gloo processes."""

import faulthandler
import multiprocessing
import multiprocessing.connection
import os
import runpy
import signal
import socket
import sys
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch
import yapf.yapflib.yapf_api
from mmengine.config import Config
from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import Hook

from mmlvs.engine.entry import make_runner
from mmlvs.io import atomic

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / 'configs/referformer/referformer_tiny_1xb8-640i_moving-shapes-easy.py'
STRATEGY = ROOT / 'configs/_base_/strategies/fsdp.py'
LIMIT = 300
"""Seconds that anything in this folder may take."""


def seeds(*usual: int) -> tuple[int, ...]:
    """Seeds of what is drawn by chance; ``MMLVS_TEST_SEEDS=7,8`` puts others in their place."""
    given = os.environ.get('MMLVS_TEST_SEEDS')
    return tuple(int(seed) for seed in given.split(',')) if given else usual


def config(work: Path, data: Path, *, batch: int = 2, seed: int = 42, **options) -> Config:
    """The quickstart's config on small data, with a fixed batch norm, without dropout (the config has none).

    Args:
        batch: clips of a step, over all processes.
        seed: of weights, order and augmentation.
        options: settings to override, by dotted names.
    """
    cfg = Config.fromfile(CONFIG)
    cfg.merge_from_dict({
        **{f'{part}_dataloader.dataset.data_root': str(data) for part in ('train', 'val', 'test')},
        'train_dataloader.num_workers': 0, 'train_dataloader.persistent_workers': False,
        'train_dataloader.batch_size': batch // int(os.environ.get('WORLD_SIZE', 1)), 'randomness.seed': seed,
        'model.backbone.frozen_norm': True, 'model.text_encoder.frozen': True, 'train_cfg.max_iters': 3,
        'optim_wrapper': dict(
            constructor='StrictOptimWrapperConstructor', clip_grad=dict(max_norm=0.1),
            paramwise_cfg=dict(custom_keys={
                'backbone': dict(lr_mult=0.5), 'transformer.encoder.layers.0.norm': dict(lr_mult=2.0)})),
        'default_hooks.checkpoint': dict(interval=2, max_keep_ckpts=5), 'log_level': 'ERROR', 'vis_backends': [],
        'visualizer.vis_backends': [], **options})
    cfg.work_dir, cfg.launcher = str(work), 'pytorch' if 'WORLD_SIZE' in os.environ else 'none'
    return cfg


# ------------------------------------------------------------ first steps

CLIPS = {'train_dataloader.dataset.clip_length': 3, 'train_dataloader.dataset.pipeline.0.num_frames': 3}
SWIN = dict(_delete_=True, type='VideoSwinBackbone', embed_dim=12, depths=(1, 2, 1, 1), num_heads=(1, 2, 2, 2),
            window_size=(2, 4, 4), drop_path_rate=0.0)
ONE_BY_ONE = {'train_dataloader.dataset.unit': 'expression'}  # as many visible frames in every item
RECOMPUTE = {'model.backbone.with_cp': True, 'model.transformer.with_cp': True}
VARIANTS = dict(
    frames={}, frames_recomputed=RECOMPUTE,
    clips={**CLIPS, 'model.num_queries': 3, 'model.backbone': SWIN, 'model.transformer.decoder_layers': 2},
    expressions=ONE_BY_ONE, accumulated={**ONE_BY_ONE, 'optim_wrapper.accumulative_counts': 2})
"""Settings of a step."""


class FirstUpdate(Hook):
    """What the first update of the weights is made of: losses and gradients, averaged over processes."""

    def __init__(self) -> None:
        self.losses, self.items, self.gradients = [], [], {}

    def before_train(self, runner) -> None:
        runner.optim_wrapper.optimizer.register_step_pre_hook(lambda *_: self._take(runner.model))

    def _take(self, model) -> None:
        self.gradients = {name.removeprefix('module.'): p.grad.clone() for name, p in model.named_parameters()
                          if p.grad is not None}

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        loss = outputs['loss'].detach().clone()
        if get_world_size() > 1:
            torch.distributed.all_reduce(loss)
        self.losses.append(float(loss) / get_world_size())
        self.items.append(len(data_batch['data_samples']))


def step(work: Path, data: Path, variant: str, batch: int, seed: int) -> dict:
    """Losses, items of this process, and gradients of the first update, in float64, for ``batch`` clips in all."""
    options = VARIANTS[variant]
    rounds = options.get('optim_wrapper.accumulative_counts', 1)
    cfg = config(work / 'step', data, batch=batch // rounds, seed=seed, **options)
    cfg.train_cfg.max_iters = rounds
    cfg.optim_wrapper.clip_grad = cfg.default_hooks.checkpoint = None
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    torch.set_default_dtype(torch.float64)
    runner, found = make_runner(cfg), FirstUpdate()
    runner.register_hook(found)
    runner.train()
    return dict(losses=found.losses, items=found.items, gradients=found.gradients)


# ------------------------------------------------------------ short runs


def train(work: Path, data: Path, sharded: bool, batch: int = 2, **options) -> dict:
    """Three iterations in float64, in copies or in shards, going on where a killed run stopped; checkpoints lie in
    ``WORK/copies`` or ``WORK/shards``. Gives the number of weights that this process holds."""
    torch.set_default_dtype(torch.float64)
    cfg = config(work / ('shards' if sharded else 'copies'), data, batch=batch, resume=True, **options)
    if sharded:
        cfg.merge_from_dict(Config.fromfile(STRATEGY).to_dict())
    runner = make_runner(cfg)
    runner.train()
    return dict(own=sum(p.numel() for p in runner.model.parameters()))


def resume(work: Path, data: Path, sharded: bool, **options) -> dict:
    """The last of the three iterations again, from the checkpoint before; the first result is ``straight.pth``."""
    folder = work / ('shards' if sharded else 'copies')
    torch.distributed.barrier()
    if is_main_process():
        (folder / 'iter_3.pth').rename(folder / 'straight.pth')
    torch.distributed.barrier()
    return train(work, data, sharded, **options)


def test(work: Path, data: Path, weights: Path, sharded: bool = False) -> dict:
    """Scores and the submission, in float32."""
    torch.set_default_dtype(torch.float32)
    cfg = config(work / 'test', data, load_from=str(weights))
    if sharded:
        cfg.merge_from_dict(Config.fromfile(STRATEGY).to_dict())
    cfg.test_evaluator = [
        dict(type='JFMetric', prefix='test', group_by=['clue_type'], baselines=['largest', 'random', 'all']),
        dict(type='RefYouTubeVOSWriter', out_dir=str(work / 'submission'))]
    return make_runner(cfg).test()


# ------------------------------------------------------------ processes
# All are forked from a server that has imported the package once.

_SERVER = multiprocessing.get_context('forkserver')
_SERVER.set_forkserver_preload(['tests.tools.jobs', 'mmlvs.datasets', 'mmlvs.evaluation', 'mmlvs.models',
                                'mmlvs.visualization', 'transformers.models.roberta.modeling_roberta',
                                'matplotlib.pyplot', 'matplotlib.backends.backend_agg', 'scipy.optimize'])


def start(function: Callable, *arguments, log: Path, **environment: str) -> BaseProcess:
    """Start a function of a module in a process of its own; what it prints is in ``log``."""
    process = _SERVER.Process(target=_run, args=(function, arguments, log, {**environment, 'PYTHONPATH': str(ROOT)}))
    process.start()
    return process


def _run(function: Callable, arguments: tuple, log: Path, environment: dict[str, str]) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, 'ab') as out:
        for stream in (1, 2):
            os.dup2(out.fileno(), stream)
    faulthandler.enable(sys.__stderr__)
    faulthandler.dump_traceback_later(LIMIT - 10, file=sys.__stderr__)
    os.environ.update(environment)
    torch.set_num_threads(1)
    yapf.yapflib.yapf_api.FormatCode = lambda text, **_: (text, False)  # takes half the time: line breaks of configs
    function(*arguments)


def finish(*running: tuple[BaseProcess, Path]) -> None:
    """Wait for processes that work together; when one fails or none ends in time, all are killed.

    Raises:
        AssertionError: the message holds the end of their logs.
    """
    waiting, deadline = {process.sentinel: process for process, _ in running}, time.monotonic() + LIMIT
    try:
        while waiting:
            ended = multiprocessing.connection.wait(waiting, timeout=max(0, deadline - time.monotonic()))
            codes = [_exit_code(waiting.pop(sentinel)) for sentinel in ended]
            assert ended and not any(codes), '\n'.join(
                [f'codes {codes} of the processes that ended, {len(waiting)} others were killed after '
                 f'{time.monotonic() - deadline + LIMIT:.0f} s', *(f'--- {log}:\n{_end(log)}' for _, log in running)])
    finally:
        for process, _ in running:
            process.kill()
            process.join()


def _exit_code(process: BaseProcess) -> int:
    process.join()
    return process.exitcode


def _end(log: Path) -> str:
    return log.read_text(errors='replace')[-4000:] if log.exists() else '(no log)'


def killed(process: BaseProcess, log: Path, seconds: float = LIMIT) -> bool:
    """Wait for a process that is to die by SIGKILL, and kill it after some seconds; whether it was killed at all.

    Raises:
        AssertionError: it failed by itself; the message is the end of its log.
    """
    process.join(timeout=seconds)
    process.kill()
    code = _exit_code(process)
    assert code in (0, -signal.SIGKILL), f'code {code}: {_end(log)}'
    return code != 0


def die_in_write(number: int) -> None:
    """Let this process be killed in the middle of the ``number``-th file it writes whole, with half of it on disk."""
    real, seen = atomic._sync, []

    def sync(path: Path) -> None:
        if path.is_file():
            seen.append(path)
            if len(seen) == number:
                os.truncate(path, path.stat().st_size // 2)
                os.kill(os.getpid(), signal.SIGKILL)
        real(path)

    atomic._sync = sync


def tool(name: str, *arguments: str) -> None:
    """Run a command line tool in this process."""
    sys.argv = [name, *arguments]
    runpy.run_path(str(ROOT / 'tools' / name), run_name='__main__')


def run_jobs(work: Path, jobs: tuple[Callable, ...]) -> None:
    """Call functions, and write what they give to ``WORK/found.pt``."""
    found = [job() for job in jobs]
    if is_main_process():
        torch.save(found, work / 'found.pt')


def start_ranks(processes: int, logs: Path, function: Callable, *arguments) -> list[tuple[BaseProcess, Path]]:
    """Start a function in several processes with what torchrun would tell them (one process is told nothing); the
    processes and their logs."""
    common = {}
    if processes > 1:
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            common = dict(WORLD_SIZE=str(processes), MASTER_ADDR='127.0.0.1', MASTER_PORT=str(free.getsockname()[1]))
    running = []
    for rank in range(processes):
        log, own = logs / f'rank{rank}.log', dict(RANK=str(rank), LOCAL_RANK=str(rank)) if common else {}
        running.append((start(function, *arguments, log=log, **own, **common), log))
    return running


def launch(processes: int, work: Path, *jobs: Callable) -> list:
    """Run functions without arguments one after the other in several processes; what they gave on the first."""
    finish(*start_ranks(processes, work, run_jobs, work, jobs))
    return torch.load(work / 'found.pt', weights_only=False)
