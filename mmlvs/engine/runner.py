"""mmengine's Runner with safe files, exact resumption and processes without a GPU."""

import os
import re
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.model import MMDistributedDataParallel, is_model_wrapper
from mmengine.runner import Runner as MMEngineRunner

from mmlvs.engine.processes import start_gloo
from mmlvs.engine.rules import RunnerRules
from mmlvs.io.atomic import atomic_path
from mmlvs.io.checkpoint import load_checkpoint_file, report_keys
from mmlvs.registry import RUNNERS


@RUNNERS.register_module()
class Runner(RunnerRules, MMEngineRunner):
    """The Runner of mmlvs; takes the same settings as mmengine's.

    What differs:
        * checkpoints are opened as data only and written atomically;
        * they hold the random states of all ranks, and a resumed run continues exactly as if it had not been
          interrupted;
        * ``resume`` takes the newest whole checkpoint of the work folder; where a validation was due at that
          checkpoint it is run first, since the interruption may have come before its end;
        * several processes run on CPU (gloo) when there is no GPU;
        * a test with a file that lacks weights is an error;
        * a checkpoint of another folder begins a new stage, with a best score of its own; one without optimiser is not
          resumed;
        * metrics receive samples, not dicts; clip state, random state and vocabulary hooks are always there.

    Gradient accumulation (``optim_wrapper.accumulative_counts = n``): an iteration is one forward pass, so
    ``max_iters`` and the intervals count n times as many; every loss is divided by n, which makes the update that of
    the mean of the n losses. ReferFormer's loss of a batch is a sum divided by the batch's number of visible target
    frames (over all ranks), so n steps of batch 1 equal one step of batch n where those numbers are equal. Gradients of
    an unfinished round do not lie in checkpoints: let checkpoint intervals be multiples of n (mmengine warns when a run
    is resumed in between).
    """

    # ------------------------------------------------------------ processes

    def setup_env(self, env_cfg: dict) -> None:
        """Set up processes; without a GPU the process group is gloo."""
        if self.distributed:
            start_gloo(self._launcher)
        super().setup_env(env_cfg)

    def wrap_model(self, model_wrapper_cfg: dict | None, model: torch.nn.Module) -> torch.nn.Module:
        """Wrap the model for several processes; on CPU without device ids."""
        plain = model_wrapper_cfg is None and not is_model_wrapper(model)
        if plain and self.distributed and not torch.cuda.is_available():
            return MMDistributedDataParallel(module=model, broadcast_buffers=False,
                                             find_unused_parameters=self.cfg.get('find_unused_parameters', False))
        return super().wrap_model(model_wrapper_cfg, model)

    # ------------------------------------------------------------ files

    def load_checkpoint(self, filename: str, map_location: Any = 'cpu', strict: bool = False,
                        revise_keys: list = ((r'^module\.', ''),)) -> dict:
        """Load weights from a file opened as data.

        Raises:
            FileNotFoundError, CheckpointError: the message names the file.
        """
        checkpoint = load_checkpoint_file(filename, map_location=map_location)
        self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
        model = self.model.module if is_model_wrapper(self.model) else self.model
        state = checkpoint.get('state_dict', checkpoint)
        for pattern, replacement in revise_keys:
            state = {re.sub(pattern, replacement, key): value for key, value in state.items()}
        report_keys(model.load_state_dict(state, strict=strict), filename, self.logger, complete=self.testing)
        self._has_loaded = True
        self.logger.info(f'Load checkpoint from {filename}')
        return checkpoint

    def save_checkpoint(self, out_dir: str, filename: str, *args: Any, **kwargs: Any) -> None:
        """Write a checkpoint atomically, with the random states of all ranks."""
        self.gather_random_states()
        if not is_main_process():
            return
        if kwargs.get('backend_args') is None and '://' not in str(out_dir):
            kwargs['backend_args'] = dict(backend='mmlvs_atomic')
        super().save_checkpoint(out_dir, filename, *args, **kwargs)


class AtomicLocalBackend(LocalBackend):
    """mmengine's local files, written to a neighbour first and renamed: a file of its name is always whole."""

    def put(self, obj: bytes, filepath: str | os.PathLike) -> None:
        """Write bytes."""
        Path(filepath).parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(filepath) as temporary:
            Path(temporary).write_bytes(obj)


register_backend('mmlvs_atomic', AtomicLocalBackend, force=True)
