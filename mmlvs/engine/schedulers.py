"""Schedules of the learning rate that mmengine does not have exactly."""

from typing import Any

from mmengine.optim import PolyLR

from mmlvs.registry import PARAM_SCHEDULERS


@PARAM_SCHEDULERS.register_module()
class PolyIterationLR(PolyLR):
    """The rate of iteration t of N is ``eta_min + (lr - eta_min) * (1 - t / N) ** power`` (LAVT and many others).

    mmengine's ``PolyLR`` of the same ``end`` decays over N - 1 iterations, so that its last ones are far slower.

    Args:
        optimizer: whose rate is set.
        power: exponent.
        eta_min: rate that would be reached after N iterations.
        end: N. In settings it may be left out: all iterations of the training; with ``by_epoch=True,
            convert_to_iter_based=True`` it counts epochs.
        by_epoch: False; True only in settings that are turned into iterations.
        last_step, verbose: as for mmengine's schedulers.

    Raises:
        ValueError: a schedule that steps by epochs.
    """

    def __init__(self, optimizer: Any, *, power: float = 0.9, eta_min: float = 0.0, end: int, by_epoch: bool = False,
                 last_step: int = -1, verbose: bool = False) -> None:
        if by_epoch:
            raise ValueError('PolyIterationLR steps by iterations: set by_epoch=False, or add '
                             'convert_to_iter_based=True')
        super().__init__(optimizer, power=power, eta_min=eta_min, begin=0, end=end + 1, by_epoch=False,
                         last_step=last_step, verbose=verbose)

    @classmethod
    def build_iter_from_epoch(cls, optimizer: Any, *, end: int, epoch_length: int, power: float = 0.9,
                              eta_min: float = 0.0, by_epoch: bool = True, last_step: int = -1,
                              verbose: bool = False) -> 'PolyIterationLR':
        """The schedule of ``end`` epochs of ``epoch_length`` iterations."""
        return cls(optimizer, power=power, eta_min=eta_min, end=end * epoch_length, last_step=last_step,
                   verbose=verbose)
