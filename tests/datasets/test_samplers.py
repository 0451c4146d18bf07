"""Dealing items to ranks."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmlvs.datasets.samplers import ClipIndex, ClipSampler, VideoSampler


class Videos:
    """A data set of items that belong to videos."""

    def __init__(self, clips: list[int]) -> None:
        self.items = [(video, clip) for video, count in enumerate(clips) for clip in range(count)]

    def __len__(self) -> int:
        return len(self.items)

    def video_of(self, index: int) -> str:
        return f'v{self.items[index][0]}'

    def cost_of(self, index: int) -> float:
        return 1.0 + self.items[index][0] % 3


def of_rank(sampler_class, rank: int, world_size: int, monkeypatch, **settings):
    monkeypatch.setattr('mmlvs.datasets.samplers.get_dist_info', lambda: (rank, world_size))
    return sampler_class(**settings)


def test_clip_index_survives_the_way_to_a_worker():
    index = pickle.loads(pickle.dumps(ClipIndex(3, epoch=2, seed=9)))
    assert index == 3 and isinstance(index, int) and (index.epoch, index.seed) == (2, 9)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=12), st.integers(1, 4))
def test_videos_are_dealt_whole_once_and_in_order(clips, world_size):
    data, seen = Videos(clips), []
    with pytest.MonkeyPatch.context() as patch:
        for rank in range(world_size):
            mine = [int(i) for i in of_rank(VideoSampler, rank, world_size, patch, dataset=data)]
            assert mine == sorted(mine)
            seen.append(mine)
    assert sorted(sum(seen, [])) == list(range(len(data)))
    owners = [{rank for rank, mine in enumerate(seen) for i in mine if data.video_of(i) == f'v{v}'}
              for v in range(len(clips))]
    assert all(len(owner) == 1 for owner in owners)


@given(st.integers(4, 40), st.integers(1, 4), st.integers(0, 3))
def test_training_items_are_dealt_once_and_anew_each_epoch(count, world_size, epoch):
    data, seen = Videos([count]), []
    with pytest.MonkeyPatch.context() as patch:
        for rank in range(world_size):
            sampler = of_rank(ClipSampler, rank, world_size, patch, dataset=data, seed=5)
            sampler.set_epoch(epoch)
            mine = list(sampler)
            assert len(mine) == len(sampler) == count // world_size
            assert {i.epoch for i in mine} <= {epoch} and {i.seed for i in mine} <= {5}
            seen += mine
    assert len(set(seen)) == len(seen)


def test_two_ranks_with_batch_one_see_the_batches_of_one_rank_with_batch_two(monkeypatch):
    one = list(of_rank(ClipSampler, 0, 1, monkeypatch, dataset=Videos([10]), seed=1))
    two = [list(of_rank(ClipSampler, r, 2, monkeypatch, dataset=Videos([10]), seed=1)) for r in (0, 1)]
    assert [one[i:i + 2] for i in range(0, 10, 2)] == [list(pair) for pair in zip(*two, strict=True)]


@pytest.mark.parametrize('done', [0, 3, 7, 25])
def test_an_infinite_sampler_resumes_where_it_was(done, monkeypatch):
    def first(count, skip):
        sampler = of_rank(ClipSampler, 0, 1, monkeypatch, dataset=Videos([7]), seed=1, infinite=True)
        sampler.skip(skip)
        stream = iter(sampler)
        return [(int(i), i.epoch) for i in (next(stream) for _ in range(count))]

    assert first(40, 0)[done:] == first(40 - done, done)


def test_fewer_items_than_ranks_is_an_error(monkeypatch):
    with pytest.raises(ValueError, match='2 items for 3 processes'):
        of_rank(ClipSampler, 0, 3, monkeypatch, dataset=Videos([2]), seed=1)
