"""mmengine's Runner with safe files, exact resumption and processes without a GPU."""

import os
import re
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from mmengine.dist import is_distributed, is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.model import MMDistributedDataParallel, is_model_wrapper
from mmengine.runner import Runner as MMEngineRunner
from torch.utils.data import DataLoader

from mmlvs.datasets.samplers import permutation_generator
from mmlvs.engine.hooks import RandomStateHook
from mmlvs.io.atomic import atomic_path
from mmlvs.io.checkpoint import load_checkpoint_file
from mmlvs.registry import RUNNERS

_HOUSE_HOOKS = dict(clip_state=dict(type='mmlvs.ClipStateHook'), random_state=dict(type='mmlvs.RandomStateHook'),
                    vocabulary=dict(type='mmlvs.VocabularyHook'))


@RUNNERS.register_module()
class Runner(MMEngineRunner):
    """The Runner of mmlvs; takes the same settings as mmengine's.

    What differs:
        * checkpoints are opened as data only and written atomically;
        * they hold the random states of all ranks, and a resumed run continues exactly as if it had not been
          interrupted;
        * ``resume`` takes the newest whole checkpoint of the work folder;
        * several processes run on CPU (gloo) when there is no GPU;
        * metrics receive samples, not dicts; clip state, random state and vocabulary hooks are always there.
    """

    resumed: bool = False

    # ------------------------------------------------------------ processes

    def setup_env(self, env_cfg: dict) -> None:
        """Set up processes; without a GPU the process group is gloo."""
        if self.distributed and not is_distributed() and not torch.cuda.is_available() and self._launcher == 'pytorch':
            torch.distributed.init_process_group(backend='gloo')
        super().setup_env(env_cfg)

    def wrap_model(self, model_wrapper_cfg: dict | None, model: torch.nn.Module) -> torch.nn.Module:
        """Wrap the model for several processes; on CPU without device ids."""
        plain = model_wrapper_cfg is None and not is_model_wrapper(model)
        if plain and self.distributed and not torch.cuda.is_available():
            return MMDistributedDataParallel(module=model, broadcast_buffers=False,
                                             find_unused_parameters=self.cfg.get('find_unused_parameters', False))
        return super().wrap_model(model_wrapper_cfg, model)

    # ------------------------------------------------------------ parts

    def register_default_hooks(self, hooks: dict | None = None) -> None:
        """mmengine's default hooks and the house's own; a hook set to None is left out."""
        super().register_default_hooks({**_HOUSE_HOOKS, **(hooks or {})})

    def build_evaluator(self, evaluator: Any) -> Any:
        """An evaluator that hands samples to its metrics."""
        if isinstance(evaluator, (dict, list)) and not (isinstance(evaluator, dict) and 'metrics' in evaluator):
            evaluator = dict(type='mmlvs.VideoEvaluator', metrics=evaluator)
        return super().build_evaluator(evaluator)

    @staticmethod
    def build_dataloader(dataloader: DataLoader | dict, seed: int | None = None,
                         diff_rank_seed: bool = False) -> DataLoader:
        """A data loader with a generator of its own: reading data leaves the training's random numbers alone."""
        loader = MMEngineRunner.build_dataloader(dataloader, seed=seed, diff_rank_seed=diff_rank_seed)
        if loader.generator is None:
            loader.generator = permutation_generator(0 if seed is None else seed)
        return loader

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
        missing, unexpected = model.load_state_dict(state, strict=strict)
        for what, names in (('missing in', missing), ('unknown in', unexpected)):
            if names:
                shown = ', '.join(names[:8]) + (f' … and {len(names) - 8} more' if len(names) > 8 else '')
                self.logger.warning(f'{len(names)} tensors {what} {filename}: {shown}')
        self._has_loaded = True
        self.logger.info(f'Load checkpoint from {filename}')
        return checkpoint

    def resume(self, filename: str, resume_optimizer: bool = True, resume_param_scheduler: bool = True,
               map_location: Any = 'default') -> None:
        """Continue a run from its checkpoint."""
        self.resumed = True
        super().resume(filename, resume_optimizer, resume_param_scheduler, map_location)

    def load_or_resume(self) -> None:
        """Resume from the newest whole checkpoint of the work folder, or load weights, as the settings say."""
        if not self._has_loaded and self._resume and self._load_from is None:
            newest = newest_checkpoint(self.work_dir)
            if newest is None:
                self.logger.info(f'nothing to resume in {self.work_dir}: starting from the beginning')
                return
            self.logger.info(f'resuming from {newest}')
            self.resume(str(newest))
            return
        super().load_or_resume()

    def save_checkpoint(self, out_dir: str, filename: str, *args: Any, **kwargs: Any) -> None:
        """Write a checkpoint atomically, with the random states of all ranks."""
        for hook in self.hooks:
            if isinstance(hook, RandomStateHook):
                hook.gather()
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


def newest_checkpoint(work_dir: str | os.PathLike) -> Path | None:
    """Newest ``epoch_N.pth`` or ``iter_N.pth`` of a folder by its number; None when there is none.

    Files of these names are always whole (they are written beside and renamed), so no pointer file is needed.
    """
    found = [(int(match[1]), path) for path in Path(work_dir).glob('*.pth')
             if (match := re.fullmatch(r'(?:epoch|iter)_(\d+)\.pth', path.name))]
    return max(found)[1] if found else None
