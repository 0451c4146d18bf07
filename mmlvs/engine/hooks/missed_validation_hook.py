"""Validation that an interruption swallowed."""

from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop

from mmlvs.registry import HOOKS


@HOOKS.register_module()
class MissedValidationHook(Hook):
    """Validates before a resumed training goes on, when a validation was due at the checkpoint it resumes from.

    A checkpoint is written before the validation of its epoch or iteration, so a run that was killed in between never
    finished that validation: its scores, and the best checkpoint that may follow from them, would be missing. Where the
    validation had been finished after all it is repeated, with the same result. A new stage, which resumes from a file
    of another folder, has missed nothing.
    """

    priority = 'LOWEST'

    def before_train(self, runner) -> None:
        loop = runner.train_loop
        if not runner.resumed or runner.new_stage or runner.val_loop is None:
            return
        by_epoch = isinstance(loop, EpochBasedTrainLoop)
        step, last = (loop.epoch, loop.max_epochs) if by_epoch else (loop.iter, loop.max_iters)
        loop._decide_current_val_interval()
        if step >= max(loop.val_begin, 1) and (step % loop.val_interval == 0 or step == last):
            runner.logger.info(f'validation was due at {"epoch" if by_epoch else "iteration"} {step}: validating first')
            runner.val_loop.run()
