"""Items of a data set: groups, clips, draws, redraws and their errors."""

import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from mmlvs.datasets import ClipIndex, RefYouTubeVOSDataset
from mmlvs.datasets.base import shows_target

FRAMES = [f'{5 * t:05d}' for t in range(7)]
EXPRESSIONS = {'0': dict(exp='one', obj_id='1'), '1': dict(exp='two', obj_id='2'), '2': dict(exp='uno', obj_id='1')}
PIPELINE = [dict(type='SampleLocalGlobalFrames', num_frames=3), dict(type='LoadFrames'), dict(type='LoadMasks'),
            dict(type='RandomFlipClip'), dict(type='PhotometricDistortClip'), dict(type='PackClip')]
EMPTY = np.zeros((20, 30), np.uint8)


def _plans(dataset):
    return [(dataset.video_of(i), p.expressions, p.start, p.stop) for i, p in enumerate(dataset.items)]


def test_training_units_and_stride(make_root):
    root = make_root({'a': dict(frames=FRAMES, expressions=EXPRESSIONS),
                      'b': dict(frames=FRAMES[:2], expressions={'0': EXPRESSIONS['0']})})
    dataset = RefYouTubeVOSDataset(data_root=root, clip_length=3)
    starts = [(0, 7), (3, 7), (6, 7)]
    assert _plans(dataset) == [('a', (e,), *s) for e in range(3) for s in starts] + [('b', (0,), 0, 2)]
    assert [dataset.cost_of(i) for i in (0, 9)] == [3, 2]
    grouped = RefYouTubeVOSDataset(data_root=root, clip_length=3, stride=6, unit='object')
    assert [(v, e, s) for v, e, s, _ in _plans(grouped)] == [
        ('a', (0, 2), 0), ('a', (0, 2), 6), ('a', (1,), 0), ('a', (1,), 6), ('b', (0,), 0)]
    whole = RefYouTubeVOSDataset(data_root=root, unit='video')
    assert _plans(whole) == [('a', (0, 1, 2), 0, 7), ('b', (0,), 0, 2)]


@pytest.mark.parametrize('unit, groups', [('video', [(0, 1, 2)]), ('expression', [(0,), (1,), (2,)])])
def test_tracks_are_consecutive_clips(make_root, unit, groups):
    root = make_root({'a': dict(frames=FRAMES, expressions=EXPRESSIONS)}, split='valid')
    dataset = RefYouTubeVOSDataset(data_root=root, split='valid', test_mode=True, unit=unit, clip_length=3,
                                   pipeline=PIPELINE[1:3] + PIPELINE[-1:])
    assert _plans(dataset) == [('a', g, *s) for g in groups for s in [(0, 3), (3, 6), (6, 7)]]
    samples = [dataset[i]['data_samples'] for i in range(3)]
    assert [s.clip for s in samples] == [dict(index=0, is_first=True, is_last=False),
                                         dict(index=1, is_first=False, is_last=False),
                                         dict(index=2, is_first=False, is_last=True)]
    assert sum((s.frame_ids for s in samples), []) == FRAMES
    assert [s.key_frames for s in samples] == [[0, 1, 2], [0, 1, 2], [0]]
    assert all(s.num_frames == 7 and tuple(s.gt_masks.shape[2:]) == (20, 30) for s in samples)
    assert dataset.cost_of(2) == 1


def test_training_sorts_frames_and_testing_keeps_the_file_order(make_root):
    order = ['00010', '00000', '00005']
    root = make_root({'a': dict(frames=order, expressions={'0': EXPRESSIONS['0']})})
    keep = [PIPELINE[1], PIPELINE[2], PIPELINE[-1]]
    assert RefYouTubeVOSDataset(data_root=root, pipeline=keep)[0]['data_samples'].frame_ids == sorted(order)
    assert RefYouTubeVOSDataset(data_root=root, pipeline=keep, test_mode=True)[0]['data_samples'].frame_ids == order


def _same(a, b):
    one, other = a['data_samples'], b['data_samples']
    return torch.equal(a['inputs']['img'], b['inputs']['img']) and one.frame_ids == other.frame_ids


def test_draws_come_from_seed_epoch_and_index(make_root):
    root = make_root({'a': dict(frames=FRAMES, expressions={'0': EXPRESSIONS['0']})})
    dataset = RefYouTubeVOSDataset(data_root=root, clip_length=3, pipeline=PIPELINE, seed=4)
    other = RefYouTubeVOSDataset(data_root=root, clip_length=3, pipeline=PIPELINE, seed=9)
    np.random.seed(0)
    first = dataset[ClipIndex(1, epoch=2, seed=4)]
    np.random.seed(1)
    assert _same(first, other[ClipIndex(1, epoch=2, seed=4)])
    assert _same(first, dataset.get_item(1, epoch=2))
    assert _same(dataset[1], dataset.get_item(1, epoch=0, seed=4))
    assert not _same(first, dataset[ClipIndex(1, epoch=3, seed=4)])
    assert not _same(first, dataset[ClipIndex(1, epoch=2, seed=5)])
    assert _same(first, pickle.loads(pickle.dumps(dataset))[ClipIndex(1, epoch=2, seed=4)])


def test_workers_draw_the_same(make_root):
    root = make_root({'a': dict(frames=FRAMES, expressions={'0': EXPRESSIONS['0']})})
    dataset = RefYouTubeVOSDataset(data_root=root, clip_length=3, pipeline=PIPELINE)
    order = [ClipIndex(i, epoch=1, seed=3) for i in (2, 0, 1)]
    loader = DataLoader(dataset, sampler=order, num_workers=1, batch_size=None)
    for index, item in zip(order, loader, strict=True):
        assert _same(item, dataset[index])


def test_items_without_target_are_drawn_anew(make_root):
    hidden = dict(frames=FRAMES[:3], expressions={'0': EXPRESSIONS['0']}, masks=dict.fromkeys(FRAMES[:3], EMPTY))
    shown = dict(frames=FRAMES[:3], expressions={'0': EXPRESSIONS['0']})
    root = make_root({'hidden': hidden, 'shown': shown})
    dataset = RefYouTubeVOSDataset(data_root=root, clip_length=3, pipeline=PIPELINE)
    items = [dataset[ClipIndex(0, epoch=e, seed=0)] for e in range(4)]
    assert {item['data_samples'].video_id for item in items} == {'shown'}
    assert _same(items[1], dataset[ClipIndex(0, epoch=1, seed=0)])


def test_redraws_end_with_an_error_that_names_the_videos(make_root):
    hidden = dict(frames=FRAMES[:3], expressions={'0': EXPRESSIONS['0']}, masks=dict.fromkeys(FRAMES[:3], EMPTY))
    dataset = RefYouTubeVOSDataset(data_root=make_root({'h1': hidden, 'h2': hidden}), clip_length=3, pipeline=PIPELINE,
                                   max_retries=12)
    with pytest.raises(RuntimeError, match=r'none of 13 drawn items.*videos h1, h2\).*raise max_retries'):
        dataset[0]


def test_a_training_pipeline_needs_masks(make_root):
    root = make_root({'a': dict(frames=FRAMES, expressions={'0': EXPRESSIONS['0']})})
    with pytest.raises(ValueError, match='needs LoadMasks'):
        RefYouTubeVOSDataset(data_root=root, pipeline=PIPELINE[1:2])[0]
    assert shows_target(dict(gt_valid=np.zeros((0, 3), bool), gt_objects=[[]]))
    assert not shows_target(dict(gt_valid=np.zeros((1, 3), bool), gt_objects=[[0]]))


def test_masks_on_demand(make_root):
    videos = {'a': dict(frames=FRAMES[:2], expressions={'0': EXPRESSIONS['0']})}
    root = make_root(videos)
    settings = dict(data_root=root, test_mode=True, pipeline=PIPELINE[1:3])
    assert 'gt_masks' in RefYouTubeVOSDataset(**settings)[0]
    assert 'gt_masks' not in RefYouTubeVOSDataset(**settings, with_masks=False)[0]
    bare = make_root(videos, split='test', with_masks=False)
    settings.update(data_root=bare, split='test')
    assert 'gt_masks' not in RefYouTubeVOSDataset(**settings)[0]
    with pytest.raises(ValueError, match='no folder of masks'):
        RefYouTubeVOSDataset(**settings, with_masks=True)
    with pytest.raises(ValueError, match='no folder of masks'):
        RefYouTubeVOSDataset(data_root=bare, split='test')


@pytest.mark.parametrize('setting, message', [
    (dict(unit='clip'), "unit 'clip': expected one of"),
    (dict(clip_length=0), 'clip_length 0: expected at least 1'),
    (dict(limit=-1), 'limit -1'),
    (dict(test_mode=True, stride=2), 'stride is for training only'),
    (dict(with_masks='yes'), "with_masks 'yes'"),
    (dict(with_masks=False), 'with_masks=False in training'),
])
def test_wrong_settings(make_root, setting, message):
    root = make_root({'a': dict(frames=FRAMES, expressions={'0': EXPRESSIONS['0']})})
    with pytest.raises(ValueError, match=message):
        RefYouTubeVOSDataset(data_root=root, **setting)


def test_index_out_of_range(make_root):
    root = make_root({'a': dict(frames=FRAMES, expressions={'0': EXPRESSIONS['0']})})
    dataset = RefYouTubeVOSDataset(data_root=root, test_mode=True, pipeline=PIPELINE[1:2])
    assert dataset[-1]['video_id'] == 'a'
    with pytest.raises(IndexError, match='item 1 of 1 items'):
        dataset[1]
