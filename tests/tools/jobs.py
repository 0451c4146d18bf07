"""Short trainings and tests of the small ReferFormer in one or several gloo processes."""

import faulthandler
import multiprocessing
import os
import runpy
import socket
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dist import get_world_size, is_main_process
from mmengine.model import is_model_wrapper

from mmlvs.engine import Runner
from mmlvs.engine.entry import make_runner
from mmlvs.engine.hooks import VocabularyHook

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / 'configs/referformer/referformer_tiny_1xb8-640i_moving-shapes-easy.py'
STRATEGY = ROOT / 'configs/_base_/strategies/fsdp.py'


def config(work: Path, data: Path, **options) -> Config:
    """The quickstart's config on small data, with a fixed batch norm, without dropout (the config has none).

    The optimiser's large ``eps`` keeps it from blowing up what rounding leaves of a gradient that is zero.
    """
    cfg = Config.fromfile(CONFIG)
    cfg.merge_from_dict({
        **{f'{part}_dataloader.dataset.data_root': str(data) for part in ('train', 'val', 'test')},
        'train_dataloader.num_workers': 0, 'train_dataloader.persistent_workers': False,
        'train_dataloader.batch_size': 2 // int(os.environ.get('WORLD_SIZE', 1)),
        'model.backbone.frozen_norm': True, 'model.text_encoder.frozen': True, 'train_cfg.max_iters': 3,
        'optim_wrapper': dict(
            constructor='StrictOptimWrapperConstructor', clip_grad=dict(max_norm=0.1),
            optimizer=dict(eps=1e-3),
            paramwise_cfg=dict(custom_keys={
                'backbone': dict(lr_mult=0.5), 'transformer.encoder.layers.0.norm': dict(lr_mult=2.0)})),
        'default_hooks.checkpoint': dict(interval=2, max_keep_ckpts=5), 'log_level': 'ERROR', 'vis_backends': [],
        'visualizer.vis_backends': [], **options})
    cfg.work_dir, cfg.launcher = str(work), 'pytorch' if 'WORLD_SIZE' in os.environ else 'none'
    return cfg


def sharded(cfg: Config) -> Config:
    """The same training by the strategy for large variants."""
    cfg.merge_from_dict(Config.fromfile(STRATEGY).to_dict())
    return cfg


def step(work: Path, data: Path) -> dict:
    """Loss and gradients of the first training step, in float64."""
    torch.set_default_dtype(torch.float64)
    runner = Runner.from_cfg(config(work / 'step', data))
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    VocabularyHook().before_train(runner)
    plain = runner.model.module if is_model_wrapper(runner.model) else runner.model
    batch = plain.data_preprocessor(next(runner.train_loop.dataloader_iterator), True)
    assert batch['inputs']['img'].frames.dtype == torch.float64
    loss, _ = plain.parse_losses(runner.model.train()(**batch, mode='loss'))
    loss.backward()
    mean = loss.detach().clone()
    if get_world_size() > 1:
        torch.distributed.all_reduce(mean)
    return dict(loss=mean / get_world_size(), items=len(batch['data_samples']),
                gradients={name: p.grad for name, p in plain.named_parameters() if p.grad is not None})


def train(work: Path, data: Path) -> dict:
    """Three iterations in several copies; checkpoints lie in ``WORK/train``."""
    make_runner(config(work / 'train', data)).train()
    return {}


def fsdp(work: Path, data: Path) -> dict:
    """The same three iterations in shards, then the last one again, resumed; and a test of the result."""
    recompute = {'model.backbone.with_cp': True, 'model.transformer.with_cp': True}
    runner = make_runner(sharded(config(work / 'fsdp', data, **recompute)))
    runner.train()
    own = sum(p.numel() for p in runner.model.parameters())
    whole = work / 'fsdp/iter_3.pth'
    torch.distributed.barrier()
    if is_main_process():
        whole.rename(work / 'fsdp/straight.pth')
    torch.distributed.barrier()
    make_runner(sharded(config(work / 'fsdp', data, resume=True))).train()
    scores = make_runner(sharded(config(work / 'fsdp_test', data, load_from=str(whole)))).test()
    return dict(own=own, scores=scores)


def test(work: Path, data: Path) -> dict:
    """Scores and the submission of ``WORK/weights.pth``."""
    evaluators = [dict(type='JFMetric', prefix='test', group_by=['clue_type'], baselines=['largest', 'random', 'all']),
                  dict(type='RefYouTubeVOSWriter', out_dir=str(work / 'submission'))]
    cfg = config(work / 'test', data, load_from=str(work / 'weights.pth'))
    cfg.test_evaluator = evaluators
    return dict(scores=make_runner(cfg).test())


JOBS = dict(step=step, train=train, fsdp=fsdp, test=test)


# ------------------------------------------------------------ processes
# All are forked from a server that has imported the package once.

_SERVER = multiprocessing.get_context('forkserver')
_SERVER.set_forkserver_preload(['tests.tools.jobs', 'mmlvs.datasets', 'mmlvs.evaluation', 'mmlvs.models',
                                'mmlvs.visualization'])


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
    os.environ.update(environment)
    torch.set_num_threads(1)
    function(*arguments)


def finish(process: BaseProcess, log: Path) -> None:
    """Wait for a process.

    Raises:
        AssertionError: it failed; the message is the end of its log.
    """
    process.join(timeout=600)
    process.kill()
    process.join()
    assert process.exitcode == 0, f'code {process.exitcode}: {log.read_text()[-3000:]}'


def tool(name: str, *arguments: str) -> None:
    """Run a command line tool in this process."""
    sys.argv = [name, *arguments]
    runpy.run_path(str(ROOT / 'tools' / name), run_name='__main__')


def run_jobs(work: Path, data: Path, names: tuple[str, ...]) -> None:
    for name in names:
        torch.set_default_dtype(torch.float32)
        found = JOBS[name](work, data)
        if is_main_process():
            torch.save(found, work / f'{name}.pt')


def launch(processes: int, work: Path, data: Path, *names: str) -> dict[str, dict]:
    """Run jobs in several processes with what torchrun would tell them, and give what they found by name."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        common = dict(WORLD_SIZE=str(processes), MASTER_ADDR='127.0.0.1', MASTER_PORT=str(free.getsockname()[1]))
    logs = [work / f'rank{rank}.log' for rank in range(processes)]
    running = [start(run_jobs, work, data, names, log=log, RANK=str(rank), LOCAL_RANK=str(rank), **common)
               for rank, log in enumerate(logs)]
    try:
        for process, log in zip(running, logs, strict=True):
            finish(process, log)
    finally:
        for process in running:
            process.kill()
    return {name: torch.load(work / f'{name}.pt', weights_only=False) for name in names}
