"""Random numbers of a run: kept in checkpoints, untouched by validation."""

import random
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_gather_object
from mmengine.hooks import Hook

from mmlvs.registry import HOOKS


def random_state() -> dict[str, Any]:
    """States of Python's, numpy's, torch's and CUDA's generators of this process, as plain data."""
    name, keys, position, has_gauss, cached = np.random.get_state()
    version, numbers, gauss = random.getstate()
    state = dict(python=[version, list(numbers), gauss],
                 numpy=[name, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached],
                 torch=torch.get_rng_state())
    if torch.cuda.is_available():
        state['cuda'] = torch.cuda.get_rng_state()
    return state


def set_random_state(state: dict[str, Any]) -> None:
    """Set what :func:`random_state` gave."""
    version, numbers, gauss = state['python']
    random.setstate((version, tuple(numbers), gauss))
    name, keys, position, has_gauss, cached = state['numpy']
    np.random.set_state((name, keys.cpu().numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state['torch'].cpu())
    if 'cuda' in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state['cuda'].cpu())


@HOOKS.register_module()
class RandomStateHook(Hook):
    """Makes a resumed run draw what the uninterrupted run would have drawn.

    * The states of all ranks lie in every checkpoint that can be resumed (``gather`` is called on all ranks by the
      Runner).
    * After resuming they are set right before the first training step, when everything that may draw has been built.
    * Validation leaves the training's random numbers as they were.
    """

    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self._pending: list[dict] | None = None
        self._gathered: list[dict] | None = None
        self._before_val: dict | None = None

    def gather(self) -> None:
        """Collect all ranks' states; called on every rank before rank 0 writes."""
        self._gathered = all_gather_object(random_state())

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        checkpoint['random_states'] = self._gathered or [random_state()]

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        self._pending = checkpoint.get('random_states')

    def before_train_iter(self, runner, batch_idx: int, data_batch: dict | None = None) -> None:
        states, self._pending = self._pending, None
        if states is None or not getattr(runner, 'resumed', False):
            return
        if len(states) != runner.world_size:
            runner.logger.warning(f'the checkpoint was written by {len(states)} processes, this run has '
                                  f'{runner.world_size}: random numbers differ from an uninterrupted run')
            return
        set_random_state(states[runner.rank])

    def before_val(self, runner) -> None:
        self._before_val = random_state()

    def after_val(self, runner) -> None:
        if self._before_val is not None:
            set_random_state(self._before_val)
        self._before_val = None
