"""Several data sets as one: order of items, hand-over of epoch and seed, vocabulary."""

import pytest

from mmlvs.datasets import ClipIndex, ConcatVideoDataset


class Part:
    """Records what it is asked for."""

    def __init__(self, name, length):
        self.name, self.length = name, length
        self.metainfo = dict(dataset=name, split='train', unit='video')

    def __len__(self):
        return self.length

    def get_item(self, index, epoch=0, seed=None):
        return self.name, index, epoch, seed

    def texts(self, *, exchanged=False):
        return [f'{self.name} {exchanged}']

    def video_of(self, index):
        return f'video{index}'

    def cost_of(self, index):
        return 10 * index


@pytest.fixture
def joint():
    return ConcatVideoDataset(datasets=[Part('a', 2), Part('b', 0), Part('c', 3)])


def test_items_follow_each_other(joint):
    assert [joint[i][:2] for i in range(len(joint))] == [('a', 0), ('a', 1), ('c', 0), ('c', 1), ('c', 2)]
    assert joint[-1][:2] == ('c', 2)
    for beyond in (5, -6):
        with pytest.raises(IndexError, match='of 5 items'):
            joint[beyond]


def test_epoch_and_seed_reach_the_parts(joint):
    assert joint[ClipIndex(3, epoch=7, seed=11)] == ('c', 1, 7, 11)
    assert joint[3] == ('c', 1, 0, None)


def test_what_is_known_of_the_whole(joint):
    assert joint.texts(exchanged=True) == ['a True', 'b True', 'c True']
    assert joint.metainfo['dataset'] == 'a + b + c' and len(joint.metainfo['parts']) == 3
    assert joint.cost_of(4) == 20
    assert joint.video_of(0) != joint.video_of(2), 'videos of different data sets are different videos'


def test_nothing_to_join():
    with pytest.raises(ValueError, match='at least one data set'):
        ConcatVideoDataset(datasets=[])


def test_a_mixture_repeats_parts_with_draws_of_their_own():
    joint = ConcatVideoDataset(datasets=[Part('a', 2), Part('b', 1)], repeats=[3, 1])
    assert len(joint) == 7 and [joint[i][:2] for i in range(7)] == [('a', 0), ('a', 1)] * 3 + [('b', 0)]
    epochs = [joint[ClipIndex(i, epoch=e, seed=5)][2] for e in range(3) for i in (0, 2, 4)]
    assert len(set(epochs)) == 9, 'an item that comes again is drawn anew, in this epoch and in others'
    assert joint[ClipIndex(6, epoch=4, seed=5)] == ('b', 0, 4, 5)
    assert joint.video_of(0) == joint.video_of(4) and joint.cost_of(5) == 10
    for repeats in ([1], [1, 0]):
        with pytest.raises(ValueError, match='expected 2 numbers of at least 1'):
            ConcatVideoDataset(datasets=[Part('a', 2), Part('b', 1)], repeats=repeats)
