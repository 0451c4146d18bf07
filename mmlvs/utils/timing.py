"""Time and memory, measured so that a noisy machine does not decide: repeats in turns, medians, pairs of one round."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

_PACKAGES = ('onedl-mmcv', 'mmcv', 'mmcv-lite', 'onedl-mmengine', 'mmengine', 'transformers', 'numpy')
_STATUS, _CLEAR = Path('/proc/self/status'), Path('/proc/self/clear_refs')


@dataclass(frozen=True)
class Spread:
    """A median and the middle half of the values around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> 'Spread':
        """Median and quartiles of at least one value.

        Raises:
            ValueError: there is no value.
        """
        if not values:
            raise ValueError('a median needs at least one value, found none')
        low, _, high = (statistics.quantiles(values, n=4, method='inclusive') if len(values) > 1 else values * 3)
        return cls(median=statistics.median(values), low=low, high=high)


@dataclass(frozen=True)
class Timing:
    """Seconds of every repeat of one task, in the order of the rounds."""

    seconds: tuple[float, ...]

    @property
    def spread(self) -> Spread:
        """Median and quartiles in seconds."""
        return Spread.of(list(self.seconds))

    def times_faster_than(self, baseline: 'Timing') -> Spread:
        """Seconds of the baseline by seconds of this, round by round: what slows a whole round cancels.

        Raises:
            ValueError: the two were not measured in the same rounds.
        """
        if len(self.seconds) != len(baseline.seconds):
            raise ValueError(f'{len(self.seconds)} repeats against {len(baseline.seconds)} of the baseline: measure '
                             'both in one call')
        return Spread.of([b / a for a, b in zip(self.seconds, baseline.seconds, strict=True)])


def measure(tasks: Mapping[str, Callable[[], Any]], *, repeats: int = 5, warmup: int = 1,
            device: torch.device | str = 'cpu') -> dict[str, Timing]:
    """Run tasks in turns, one repeat of each a round, and time them. Every other round goes backwards.

    Args:
        tasks: name → what to run.
        repeats: timed rounds.
        warmup: rounds before them that do not count.
        device: waited for before a clock is read, when it is a GPU.

    Returns:
        Name → seconds of the timed rounds.

    Raises:
        ValueError: no task, no repeat, or a negative warm-up.
    """
    if not tasks or repeats < 1 or warmup < 0:
        raise ValueError(f'expected a task, at least one repeat and no negative warm-up; found {len(tasks)} tasks, '
                         f'{repeats} repeats, {warmup} rounds of warm-up')
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for turn in range(-warmup, repeats):
        for name in reversed(tasks) if turn % 2 else tasks:
            synchronize(device)
            start = time.perf_counter()
            tasks[name]()
            synchronize(device)
            if turn >= 0:
                seconds[name].append(time.perf_counter() - start)
    return {name: Timing(tuple(values)) for name, values in seconds.items()}


def synchronize(device: torch.device | str) -> None:
    """Wait until a GPU has done what it was given; nothing on a CPU."""
    if torch.device(device).type == 'cuda':
        torch.cuda.synchronize(device)


@contextmanager
def stopwatch(owner: Any, method: str, device: torch.device | str = 'cpu') -> Iterator[list[float]]:
    """Time every call of one method of one object inside the ``with`` block.

    Args:
        owner: the object.
        method: name of its method; callers that go through the object are timed, others are not.
        device: see :func:`measure`.

    Yields:
        A list that gets the seconds of every call.
    """
    laps: list[float] = []
    original, own = getattr(owner, method), method in vars(owner)

    def timed(*args: Any, **kwargs: Any) -> Any:
        synchronize(device)
        start = time.perf_counter()
        result = original(*args, **kwargs)
        synchronize(device)
        laps.append(time.perf_counter() - start)
        return result

    setattr(owner, method, timed)
    try:
        yield laps
    finally:
        if own:
            setattr(owner, method, original)
        else:
            delattr(owner, method)


class PeakMemory:
    """Largest memory in use since ``reset``: of the GPU's allocator, or of the whole process on a CPU.

    Where the system cannot forget the peak of a process (not Linux, or no ``/proc``), ``since_start`` is True and the
    peak counts from the start of the process; it still shows whether memory grows.
    """

    def __init__(self, device: torch.device | str = 'cpu') -> None:
        self.device = torch.device(device)
        self.since_start = False
        self.reset()

    def reset(self) -> None:
        """Forget the peak."""
        if self.device.type == 'cuda':
            torch.cuda.reset_peak_memory_stats(self.device)
            return
        try:
            _CLEAR.write_text('5')
        except OSError:
            self.since_start = True

    def read(self) -> int:
        """The peak in bytes."""
        if self.device.type == 'cuda':
            return torch.cuda.max_memory_allocated(self.device)
        if _STATUS.is_file():
            line = next(line for line in _STATUS.read_text().splitlines() if line.startswith('VmHWM'))
            return int(line.split()[1]) * 1024
        import resource

        unit = 1 if platform.system() == 'Darwin' else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def machine(device: torch.device | str = 'cpu') -> dict[str, str]:
    """What a measurement depends on besides the code: processor, cores, threads, memory, GPU, load, versions."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 0
    found = {'cpu': _cpu_name(), 'cores': f'{cores} of {os.cpu_count()}', 'threads': str(torch.get_num_threads())}
    if hasattr(os, 'sysconf') and 'SC_PHYS_PAGES' in os.sysconf_names:
        found['memory'] = f'{os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30:.0f} GiB'
    if hasattr(os, 'getloadavg'):
        found['load'] = f'{os.getloadavg()[0]:.1f}'
    found['gpu'] = torch.cuda.get_device_name(device) if torch.device(device).type == 'cuda' else 'not used'
    found |= {'python': platform.python_version(), 'torch': torch.__version__}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue  # mmcv and mmengine come under several names
    return found


def _cpu_name() -> str:
    information = Path('/proc/cpuinfo')
    if information.is_file():
        for line in information.read_text().splitlines():
            if line.startswith('model name'):
                return line.partition(':')[2].strip()
    return platform.processor() or platform.machine()
