"""Schedules of the learning rate."""

import pytest
import torch

from mmlvs.engine import PolyIterationLR
from mmlvs.registry import PARAM_SCHEDULERS


def rates(scheduler, optimizer, count):
    found = []
    for _ in range(count):
        found.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        scheduler.step()
    return found


def make_optimizer():
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=5e-5)


@pytest.mark.parametrize('settings', [
    dict(end=40, by_epoch=False), dict(end=10, by_epoch=True, convert_to_iter_based=True, epoch_length=4)])
def test_every_iteration_has_the_rate_of_the_formula(settings):
    optimizer = make_optimizer()
    scheduler = PARAM_SCHEDULERS.build(dict(type='PolyIterationLR', power=0.9, optimizer=optimizer, **settings))
    found = rates(scheduler, optimizer, 40)
    assert found == pytest.approx([5e-5 * (1 - t / 40)**0.9 for t in range(40)], rel=1e-12)


def test_a_resumed_schedule_goes_on():
    optimizer = make_optimizer()
    scheduler = PolyIterationLR(optimizer, end=30)
    whole = rates(scheduler, optimizer, 30)
    first = make_optimizer()
    before = PolyIterationLR(first, end=30)
    rates(before, first, 12)
    second = make_optimizer()
    second.load_state_dict(first.state_dict())
    after = PolyIterationLR(second, end=30)
    after.load_state_dict(before.state_dict())
    second.param_groups[0]['lr'] = first.param_groups[0]['lr']
    assert rates(after, second, 18) == pytest.approx(whole[12:], rel=1e-12)


def test_steps_by_epochs_are_refused():
    with pytest.raises(ValueError, match='convert_to_iter_based'):
        PolyIterationLR(make_optimizer(), end=3, by_epoch=True)
