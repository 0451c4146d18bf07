"""Fully sharded training (FSDP) of the large variants, by mmengine's strategy."""

import functools
import math
import os
from collections.abc import Iterator
from typing import Any

import torch
from mmengine._strategy import FSDPStrategy as MMEngineFSDPStrategy
from mmengine.device import get_device
from mmengine.dist import all_gather_object, is_main_process
from mmengine.model import is_model_wrapper
from mmengine.optim import BaseOptimWrapper
from mmengine.runner import FlexibleRunner as MMEngineFlexibleRunner
from torch import Tensor
from torch.distributed.fsdp import (
    FullOptimStateDictConfig,
    FullStateDictConfig,
    FullyShardedDataParallel,
    ShardingStrategy,
)
from torch.distributed.fsdp.wrap import lambda_auto_wrap_policy
from torch.utils.data import DataLoader, Sampler

from mmlvs.datasets.samplers import ClipIndex, VideoSampler
from mmlvs.engine.processes import start_gloo
from mmlvs.engine.rules import RunnerRules
from mmlvs.io.atomic import atomic_path
from mmlvs.io.checkpoint import load_checkpoint_file, report_keys
from mmlvs.registry import RUNNERS, STRATEGIES

LAYERS = ('Bottleneck', 'WindowBlock', 'RobertaLayer', 'DeformableEncoderLayer', 'DeformableDecoderLayer')
"""Classes whose instances are sharded as units: the repeated layers, which hold most weights and are always called."""


@STRATEGIES.register_module()
class FSDPStrategy(MMEngineFSDPStrategy):
    """mmengine's FSDPStrategy, corrected: weights, gradients and optimiser state lie in shards over the processes
    (Zhao et al., PyTorch FSDP, VLDB 2023).

    What differs from mmengine's:
        * it runs on CPU (gloo) too, and with torch >= 2.1 when it resumes;
        * the gradient norm that is clipped is that of the whole model, not of a process's own shard;
        * checkpoints are whole models written atomically by rank 0, which every Runner loads; they are opened as data.

    Takes mmengine's arguments; ``state_dict_cfg`` must be ``'full'``. Without ``model_wrapper.auto_wrap_policy`` every
    layer named in ``LAYERS`` is a unit. Optimiser states name parameters, so they go with this strategy only.
    """

    def _setup_distributed(self, launcher: str = 'pytorch', backend: str = 'nccl', **settings: Any) -> None:
        if not start_gloo(launcher):
            super()._setup_distributed(launcher, backend, **settings)

    def _init_state_dict_cfg(self, state_dict_cfg: str | dict) -> None:
        if state_dict_cfg != 'full':
            raise ValueError(f'FSDPStrategy: state_dict_cfg {state_dict_cfg!r}, expected "full": only whole '
                             'checkpoints can be loaded by a plain model, or by another number of processes')
        super()._init_state_dict_cfg(state_dict_cfg)
        if get_device() == 'cpu':  # "offloaded" tensors would not be copies there, but weights that are freed
            self.state_dict_config = FullStateDictConfig(rank0_only=True)
            self.optim_state_dict_config = FullOptimStateDictConfig(rank0_only=True)

    def _wrap_model(self, model: torch.nn.Module) -> torch.nn.Module:
        if is_model_wrapper(model):
            return model
        policy = functools.partial(lambda_auto_wrap_policy, lambda_fn=lambda module: type(module).__name__ in LAYERS)
        self.model_wrapper = {'type': 'MMFullyShardedDataParallel', 'auto_wrap_policy': policy,
                              **(self.model_wrapper or {})}
        if get_device() == 'cpu':
            self.model_wrapper['device_id'] = torch.device('cpu')
        return super()._wrap_model(model)

    def build_optim_wrapper(self, optim_wrapper: Any, model: torch.nn.Module | None = None) -> BaseOptimWrapper:
        """The optimiser's wrapper; clipping by norm takes the norm over all shards."""
        wrapper = super().build_optim_wrapper(optim_wrapper, model)
        if wrapper.clip_grad_kwargs and wrapper.grad_name == 'grad_norm':
            wrapper.clip_func = functools.partial(clip_whole_norm, model)
        return wrapper

    # ------------------------------------------------------------ files

    def optim_state_dict(self) -> dict:
        """State of the whole optimiser on rank 0, with names for parameters.

        Kinds of state (first and second moments, ...) are gathered one after the other: torch gathers all into one
        buffer and makes no copy of it on CPU, where the last kind would be saved in place of all.
        """
        optimizer = self.optim_wrapper.optimizer
        shards, whole = optimizer.state_dict(), {}
        kinds = set().union(*all_gather_object([kind for state in shards['state'].values() for kind in state]))
        for kind in sorted(kinds) or ['']:
            state = {key: {kind: value[kind]} for key, value in shards['state'].items() if kind in value}
            part = FullyShardedDataParallel.optim_state_dict(self.model, optimizer, {**shards, 'state': state})
            for name, value in part.get('state', {}).items():
                whole.setdefault(name, {}).update(value)
        part = {**part, 'state': whole} if is_main_process() else {}
        if is_main_process() and self.optim_wrapper.base_param_settings is not None:
            part['base_param_settings'] = self.optim_wrapper.base_param_settings
        return part

    def load_optim_state_dict(self, state_dict: dict) -> None:
        """Take this rank's shards of the state of a whole optimiser."""
        base = state_dict.pop('base_param_settings', None)
        optimizer = self.optim_wrapper.optimizer
        optimizer.load_state_dict(FullyShardedDataParallel.optim_state_dict_to_load(self.model, optimizer, state_dict))
        if base is not None:
            self.optim_wrapper.base_param_settings = base

    def save_checkpoint(self, filename: str, **settings: Any) -> None:
        """Gather the whole model on rank 0 and write it atomically; called on all ranks."""
        if not is_main_process():
            super().save_checkpoint(filename, **settings)  # takes part in the gathering, writes nothing
            return
        with atomic_path(filename) as temporary:
            super().save_checkpoint(os.fspath(temporary), **settings)

    def load_checkpoint(self, filename: str, *, map_location: Any = 'cpu', strict: bool = False,
                        revise_keys: list = (), callback: Any = None) -> dict:
        """Load weights from a file opened as data; names must be those of the plain model.

        Raises:
            FileNotFoundError, CheckpointError: the message names the file.
        """
        checkpoint = load_checkpoint_file(filename, map_location='cpu' if map_location == 'default' else map_location)
        if callback is not None:
            callback(checkpoint)
        state = checkpoint.pop('state_dict', None)
        if state is None:
            state, checkpoint = checkpoint, {}
        report_keys(self.model.load_state_dict(state, strict=strict), filename, self.logger)
        self.logger.info(f'Load checkpoint from {filename}')
        return checkpoint


def clip_whole_norm(model: FullyShardedDataParallel, parameters: list[Tensor], *, max_norm: float,
                    norm_type: float | str = 2.0) -> Tensor:
    """Scale gradients so that their norm over all shards is at most ``max_norm``, and return the norm it was.

    As ``FullyShardedDataParallel.clip_grad_norm_``, which refuses float64: gradients are measured in their own type, in
    float32 at least. Called on all ranks, with the parameters that have a gradient there.
    """
    norm_type, gradients = float(norm_type), [p.grad for p in parameters if p.grad.numel()]
    norms = [torch.linalg.vector_norm(g, norm_type, dtype=torch.promote_types(g.dtype, torch.float32))
             for g in gradients] or [torch.zeros((), device=parameters[0].device)]
    total = torch.linalg.vector_norm(torch.stack(norms), norm_type)
    if model.sharding_strategy != ShardingStrategy.NO_SHARD:
        group = model.process_group
        if norm_type == math.inf:
            torch.distributed.all_reduce(total, torch.distributed.ReduceOp.MAX, group)
        else:
            total = total ** norm_type
            torch.distributed.all_reduce(total, group=group)
            total = total ** (1 / norm_type)
    for gradient in gradients:
        gradient.mul_((max_norm / (total + 1e-6)).clamp(max=1).to(gradient.dtype))
    return total


class EvenSampler(Sampler):
    """Makes all ranks take as many steps of a test as the rank with most clips, since a sharded model computes together
    or not at all. Ranks that are done begin the data set anew; metrics drop the repeated records by their keys.

    Args:
        sampler: deals whole videos to ranks.
    """

    def __init__(self, sampler: VideoSampler) -> None:
        self.sampler = sampler
        self.length = max(all_gather_object(len(sampler)))

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[ClipIndex]:
        yield from self.sampler
        for n in range(self.length - len(self.sampler)):
            yield ClipIndex(n % len(self.sampler.dataset), seed=self.sampler.seed)


@RUNNERS.register_module()
class FlexibleRunner(RunnerRules, MMEngineFlexibleRunner):
    """mmengine's FlexibleRunner, which trains by a strategy (:class:`FSDPStrategy`), under the rules of the house.

    Takes the settings of :class:`mmlvs.engine.Runner` and ``strategy``; a config asks for it with ``runner_type =
    'mmlvs.FlexibleRunner'``, as ``configs/_base_/strategies/fsdp.py`` does.
    """

    @staticmethod
    def build_dataloader(dataloader: DataLoader | dict, seed: int | None = None,
                         diff_rank_seed: bool = False) -> DataLoader:
        """A data loader of which all ranks take the same number of batches."""
        loader = RunnerRules.build_dataloader(dataloader, seed=seed, diff_rank_seed=diff_rank_seed)
        if isinstance(loader.sampler, VideoSampler):
            loader.batch_sampler.sampler = EvenSampler(loader.sampler)
        return loader

    def save_checkpoint(self, out_dir: str, filename: str, *args: Any, **kwargs: Any) -> None:
        """Write a checkpoint, with the random states of all ranks."""
        self.gather_random_states()
        super().save_checkpoint(out_dir, filename, *args, **kwargs)
