"""What all Runners of mmlvs have in common."""

import os
import re
from pathlib import Path
from typing import Any

from mmengine.dist import get_rank, is_main_process
from mmengine.runner import EpochBasedTrainLoop
from mmengine.runner import Runner as MMEngineRunner
from torch.utils.data import DataLoader

from mmlvs.datasets.samplers import permutation_generator
from mmlvs.engine.hooks import RandomStateHook
from mmlvs.io.atomic import remove_parts

_HOUSE_HOOKS = dict(
    clip_state=dict(type='mmlvs.ClipStateHook'), random_state=dict(type='mmlvs.RandomStateHook'),
    vocabulary=dict(type='mmlvs.VocabularyHook'), missed_validation=dict(type='mmlvs.MissedValidationHook'),
    whole_checkpoint=dict(type='mmlvs.WholeCheckpointHook'))


class RunnerRules:
    """Rules put in front of one of mmengine's Runners.

    * ``resume`` takes the newest whole checkpoint of the work folder, and what a killed run left half-written goes;
    * random states of all ranks lie in every checkpoint;
    * metrics receive samples, not dicts; reading data leaves the training's random numbers alone;
    * a run that resumes from a checkpoint of another folder is a new stage: optimiser, epoch and iteration go on, the
      best score starts anew, and files of the other folder stay;
    * the hooks for clip state, random state, vocabulary, missed validation and whole checkpoints are always there.
    """

    resumed: bool = False
    resumed_from: str | None = None
    new_stage: bool = False
    testing: bool = False

    def register_default_hooks(self, hooks: dict | None = None) -> None:
        """mmengine's default hooks and the house's own; a hook set to None is left out."""
        house = {**_HOUSE_HOOKS, **(hooks or {})}
        super().register_default_hooks({name: hook for name, hook in house.items()
                                        if hook is not None or name not in _HOUSE_HOOKS})

    def build_evaluator(self, evaluator: Any) -> Any:
        """An evaluator that hands samples to its metrics."""
        if isinstance(evaluator, (dict, list)) and not (isinstance(evaluator, dict) and 'metrics' in evaluator):
            evaluator = dict(type='mmlvs.VideoEvaluator', metrics=evaluator)
        return super().build_evaluator(evaluator)

    @staticmethod
    def build_dataloader(dataloader: DataLoader | dict, seed: int | None = None,
                         diff_rank_seed: bool = False) -> DataLoader:
        """A data loader with a generator of its own: reading data leaves the training's random numbers alone. The order
        of the data follows from the seed of the settings, also where every process has a seed of its own.

        Without workers (``num_workers=0``, to look for a fault) what only workers have is left out.
        """
        if isinstance(dataloader, dict) and not dataloader.get('num_workers'):
            dataloader = {key: value for key, value in dataloader.items()
                          if key not in ('persistent_workers', 'prefetch_factor')}
        if diff_rank_seed and seed is not None:
            seed -= get_rank()  # which mmengine has added
        loader = MMEngineRunner.build_dataloader(dataloader, seed=seed, diff_rank_seed=diff_rank_seed and seed is None)
        if loader.generator is None:
            loader.generator = permutation_generator(0 if seed is None else seed)
        return loader

    def train(self) -> Any:
        """Train; temporary files that a killed training left in the work folder are removed first."""
        if is_main_process():
            for path in remove_parts(self.work_dir):
                self.logger.info(f'removed {path}, which an interrupted run had not finished')
        return super().train()

    def test(self) -> dict:
        """Test; a checkpoint that lacks weights of the model is an error."""
        self.testing = True
        return super().test()

    def resume(self, filename: str, resume_optimizer: bool = True, resume_param_scheduler: bool = True,
               map_location: Any = 'default') -> None:
        """Continue a run from its checkpoint, or begin a new stage with the checkpoint of another folder."""
        self.resumed, self.resumed_from = True, filename
        self.new_stage = Path(filename).resolve().parent != Path(self.work_dir).resolve()
        super().resume(filename, resume_optimizer, resume_param_scheduler, map_location)
        loop = self.train_loop
        if isinstance(loop, EpochBasedTrainLoop) and loop.iter != loop.epoch * len(loop.dataloader):
            self.logger.warning(f'{filename} was written within epoch {loop.epoch + 1}, after {loop.iter} iterations '
                                f'of {len(loop.dataloader)} an epoch: the whole epoch is run again, so that this is '
                                'not the uninterrupted run. Resume from an epoch_N.pth, or train by iterations')
        if self.new_stage:
            info = self.message_hub.runtime_info  # where mmengine's CheckpointHook keeps scores and names of files
            for name in [n for n in info if n in ('keep_ckpt_ids', 'last_ckpt') or n.startswith('best_')]:
                info.pop(name)
            self.logger.info(f'a new stage, from {filename}: the best score starts anew')

    def load_or_resume(self) -> None:
        """Resume from the newest whole checkpoint of the work folder, or load weights, as the settings say."""
        if self._has_loaded or self._resume is not True or self._load_from is not None:
            super().load_or_resume()
            return
        newest = newest_checkpoint(self.work_dir)
        if newest is None:
            self.logger.info(f'nothing to resume in {self.work_dir}: starting from the beginning')
            return
        self.logger.info(f'resuming from {newest}')
        self.resume(str(newest))
        self._has_loaded = True

    def gather_random_states(self) -> None:
        """Collect the random states of all ranks for the checkpoint that rank 0 is about to write."""
        for hook in self.hooks:
            if isinstance(hook, RandomStateHook):
                hook.gather()


def newest_checkpoint(work_dir: str | os.PathLike) -> Path | None:
    """Newest ``epoch_N.pth`` or ``iter_N.pth`` of a folder by its number; None when there is none.

    Files of these names are always whole (they are written beside and renamed), so no pointer file is needed.
    """
    found = [(int(match[1]), path) for path in Path(work_dir).glob('*.pth')
             if (match := re.fullmatch(r'(?:epoch|iter)_(\d+)\.pth', path.name))]
    return max(found)[1] if found else None
