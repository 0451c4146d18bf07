"""Trainings of several stages: a stage resumes from the best checkpoint of the one before."""

from pathlib import Path

from mmengine.hooks import CheckpointHook, Hook

from mmlvs.io.checkpoint import CheckpointError
from mmlvs.registry import HOOKS


@HOOKS.register_module()
class StageCheckpointHook(CheckpointHook):
    """mmengine's CheckpointHook, whose best checkpoints can be resumed: they hold the optimiser and the schedules.

    mmengine leaves these out, which makes a file a third of the size with AdamW; and what it keeps besides are only the
    newest checkpoints. Takes the arguments of mmengine's.
    """

    def _save_best_checkpoint(self, runner, metrics: dict) -> None:
        before = self._best_files()
        super()._save_best_checkpoint(runner, metrics)
        for path in sorted(self._best_files() - before):
            runner.save_checkpoint(
                self.out_dir, filename=Path(path).name, save_optimizer=True, save_param_scheduler=True,
                meta=dict(epoch=runner.epoch, iter=runner.iter), by_epoch=False, backend_args=self.backend_args)

    def _best_files(self) -> set[str]:
        paths = (getattr(self, 'best_ckpt_path', None), *getattr(self, 'best_ckpt_path_dict', {}).values())
        return {str(path) for path in paths if path is not None}


@HOOKS.register_module()
class WholeCheckpointHook(Hook):
    """Refuses to resume from a file without optimiser, which mmengine does without a word: training would go on with an
    optimiser that has seen nothing.

    Raises:
        CheckpointError: when such a file is resumed.
    """

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        if runner.resumed and 'optimizer' not in checkpoint:
            raise CheckpointError(f'{runner.resumed_from} holds no optimiser, so a training cannot be resumed from it. '
                                  "Take an epoch_N.pth or iter_N.pth (files of the best scores are whole with type="
                                  "'StageCheckpointHook' of default_hooks.checkpoint), or start anew from its weights "
                                  'with load_from')
