"""Which items a process reads, in which order, with which random numbers."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from mmlvs.registry import DATA_SAMPLERS


class ClipIndex(int):
    """Index of an item that carries the epoch and seed of its random draws.

    The numbers travel with the index to the loader's workers, so that a worker that lives longer than an epoch draws
    anew in each, and a resumed run draws what the uninterrupted one would have drawn.
    """

    epoch: int
    seed: int

    def __new__(cls, index: int, *, epoch: int = 0, seed: int = 0) -> 'ClipIndex':
        self = super().__new__(cls, index)
        self.epoch, self.seed = epoch, seed
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _clip_index, (int(self), self.epoch, self.seed)


def _clip_index(index: int, epoch: int, seed: int) -> ClipIndex:
    return ClipIndex(index, epoch=epoch, seed=seed)


@DATA_SAMPLERS.register_module()
class ClipSampler(Sampler):
    """Training order: a permutation per epoch from (seed, epoch), dealt to the ranks in turn, so that a step of W
    processes with batch 1 sees the same items as one process with batch W.

    Items that do not fill a round of all ranks are left out of that epoch (another permutation leaves out others), so
    every rank takes the same number of steps and no item is repeated.

    Args:
        dataset: the data set.
        shuffle: permute; otherwise in order.
        infinite: start the next epoch without end (iteration-based loops).
        seed: None draws one and shares it between ranks.

    Raises:
        ValueError: the data set has fewer items than there are ranks.
    """

    def __init__(self, *, dataset: Any, shuffle: bool = True, infinite: bool = False, seed: int | None = None) -> None:
        self.rank, self.world_size = get_dist_info()
        self.dataset, self.shuffle, self.infinite = dataset, shuffle, infinite
        self.seed = sync_random_seed() if seed is None else seed
        self.epoch = 0
        self._skip = 0
        if len(dataset) < self.world_size:
            raise ValueError(f'{type(dataset).__name__} has {len(dataset)} items for {self.world_size} processes')

    def __len__(self) -> int:
        """Items of this rank in one epoch."""
        return len(self.dataset) // self.world_size

    def __iter__(self) -> Iterator[ClipIndex]:
        epoch, skip = self.epoch, self._skip
        self._skip = 0
        if self.infinite:
            epoch, skip = epoch + skip // len(self), skip % len(self)
        while True:
            for index in self._order(epoch)[self.rank::self.world_size][:len(self)][skip:]:
                yield ClipIndex(int(index), epoch=epoch, seed=self.seed)
            if not self.infinite:
                return
            epoch, skip = epoch + 1, 0

    def _order(self, epoch: int) -> np.ndarray:
        if not self.shuffle:
            return np.arange(len(self.dataset))
        return np.random.default_rng([self.seed, epoch]).permutation(len(self.dataset))

    def set_epoch(self, epoch: int) -> None:
        """Called by mmengine's epoch-based loop."""
        self.epoch = epoch

    def skip(self, num_items: int) -> None:
        """Leave out the first items of this rank at the next iteration: a resumed iteration-based run goes on there."""
        self._skip = num_items


@DATA_SAMPLERS.register_module()
class VideoSampler(Sampler):
    """Deals whole videos to ranks by cost, in clip order, without padding.

    The clips of a video stay together and in order on one rank, so that a state can flow from clip to clip; videos go
    to the rank with the least work so far, the costliest first, so that ranks finish together. No item is repeated;
    ranks may get different numbers of items.

    Args:
        dataset: needs ``video_of(index) -> str``, items of a video in clip order, and optionally
            ``cost_of(index) -> float``.
        seed: of the draws an item may make (test pipelines make none).
        by_length: False deals videos in turn.
    """

    def __init__(self, *, dataset: Any, seed: int | None = None, by_length: bool = True) -> None:
        self.rank, self.world_size = get_dist_info()
        self.dataset, self.seed = dataset, 0 if seed is None else seed
        videos: dict[str, list[int]] = {}
        for index in range(len(dataset)):
            videos.setdefault(dataset.video_of(index), []).append(index)
        self.indices = self._deal(videos, by_length)

    def _deal(self, videos: dict[str, list[int]], by_length: bool) -> list[int]:
        cost_of = getattr(self.dataset, 'cost_of', None) if by_length else None
        costs = {video: sum(float(cost_of(i)) for i in items) if cost_of else 1.0 for video, items in videos.items()}
        order = sorted(videos, key=lambda video: -costs[video])  # stable: file order among equals
        load = [0.0] * self.world_size
        mine = []
        for video in order:
            rank = min(range(self.world_size), key=lambda r: load[r])
            load[rank] += costs[video]
            if rank == self.rank:
                mine.append(video)
        position = {video: n for n, video in enumerate(videos)}
        return [index for video in sorted(mine, key=position.get) for index in videos[video]]

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[ClipIndex]:
        return (ClipIndex(index, epoch=0, seed=self.seed) for index in self.indices)


def permutation_generator(seed: int) -> torch.Generator:
    """Generator of a data loader's own draws, so that reading data leaves the training's random numbers alone."""
    generator = torch.Generator()
    generator.manual_seed(seed)
    return generator
