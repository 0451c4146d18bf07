import subprocess
import sys
import time

import pytest

from mmlvs.utils.timing import Spread, Timing, machine, measure, stopwatch
from tests.tools.loading import ROOT


def test_spread():
    assert Spread.of([3.0, 1.0, 2.0, 5.0, 4.0]) == Spread(median=3.0, low=2.0, high=4.0)
    assert Spread.of([2.0]) == Spread(median=2.0, low=2.0, high=2.0)
    with pytest.raises(ValueError, match='at least one value'):
        Spread.of([])


def test_ratio_goes_round_by_round():
    ours, baseline = Timing((1.0, 10.0, 2.0)), Timing((2.0, 20.0, 4.0))  # the second round was slow for both
    assert ours.times_faster_than(baseline) == Spread(median=2.0, low=2.0, high=2.0)
    with pytest.raises(ValueError, match='3 repeats against 1'):
        ours.times_faster_than(Timing((1.0,)))


def test_tasks_take_turns():
    order = []
    found = measure({name: lambda name=name: order.append(name) for name in 'abc'}, repeats=2, warmup=1)
    assert ''.join(order) == 'cba' 'abc' 'cba'
    assert all(len(timing.seconds) == 2 and min(timing.seconds) >= 0 for timing in found.values())
    for settings in (dict(repeats=0), dict(warmup=-1)):
        with pytest.raises(ValueError, match='at least one repeat'):
            measure({'a': list}, **settings)


def test_measured_seconds():
    found = measure({'long': lambda: time.sleep(0.03), 'short': lambda: None}, repeats=1, warmup=0)
    assert found['long'].spread.median >= 0.03 > found['short'].spread.median


def test_stopwatch_leaves_no_trace():
    class Thing:
        def work(self, x):
            return x + 1

    thing = Thing()
    with stopwatch(thing, 'work') as longer:
        with stopwatch(thing, 'work') as shorter:  # laid around the first
            assert thing.work(1) == 2
        thing.work(1)
    assert (len(shorter), len(longer)) == (1, 2) and shorter[0] >= longer[0] > 0
    assert vars(thing) == {}


MEMORY = """
from mmlvs.utils.timing import PeakMemory
memory = PeakMemory()
before = memory.read()
block = bytearray(64 * 2**20)
block[::4096] = b'x' * len(block[::4096])
assert memory.read() >= before + 32 * 2**20
del block
memory.reset()
assert memory.since_start or memory.read() < before + 48 * 2**20
"""


def test_peak_memory():
    """In a process of its own: a large one, idle before, may lose as much to the system while it is measured."""
    subprocess.run([sys.executable, '-c', MEMORY], check=True, timeout=120, cwd=ROOT)


def test_machine():
    found = machine()
    assert found['cpu'] and int(found['threads']) > 0 and found['gpu'] == 'not used'
    assert {'cores', 'python', 'torch', 'numpy'} <= set(found)
