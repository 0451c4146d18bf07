"""DAVIS, YouTube-VOS and the zero-shot sets: tracks without sentences, flow by name, soft masks, the frame after."""

import json
from pathlib import Path

import numpy as np
import pytest
from mmengine.dataset import pseudo_collate
from PIL import Image

from mmlvs.datasets import DAVIS16Dataset, DAVIS17Dataset, YouTubeVOSDataset, ZeroShotDataset

SAMPLES = Path(__file__).parents[1] / 'data' / 'samples'
LOAD = [dict(type='LoadFrames'), dict(type='LoadMasks'), dict(type='PackClip')]
FLOW = [dict(type='LoadFrames'), dict(type='LoadStream'), dict(type='LoadMasks'), dict(type='PackClip')]


def _save(file, array, palette=False):
    file.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.asarray(array, np.uint8))
    if palette:
        image.putpalette([7 * i % 256 for i in range(768)])
    image.save(file)


def _frame(value):
    return np.full((6, 8, 3), value)


def _mask(*values):
    mask = np.zeros((6, 8))
    for n, value in enumerate(values):
        mask[n] = value
    return mask


@pytest.fixture
def zero_shot(tmp_path):
    """A set of two sequences; the second is annotated sparsely."""
    for sequence, frames, truth in (('cat', 3, (0, 1, 2)), ('bee', 5, (0, 4))):
        for t in range(frames):
            _save(tmp_path / f'FBMS/{sequence}/Frame/{t:03d}.jpg', _frame(40 * t))
            _save(tmp_path / f'FBMS/{sequence}/Flow/{t:03d}.png', _frame(40 * t + 5))
            if t in truth:
                _save(tmp_path / f'FBMS/{sequence}/GT/{t:03d}.png', _mask(255, 100, 0))
    return tmp_path


def test_one_track_without_text_soft_masks_and_flow(zero_shot):
    dataset = ZeroShotDataset(data_root=zero_shot, split='FBMS', test_mode=True, pipeline=FLOW)
    assert [v.video_id for v in dataset.videos] == ['bee', 'cat'] and dataset.texts() == []
    item = dataset[0]
    sample = item['data_samples']
    assert sample.texts == [] and sample.noun_chunks == [] and sample.num_expressions == 1
    assert sample.frame_ids == ['000', '004']  # those with truth
    assert set(sample.gt_masks.unique().tolist()) == {0, 100, 255} and sample.target(0).sum() == 2 * 16
    image, flow = (item['inputs'][stream].float().mean(dim=(1, 2, 3)) for stream in ('img', 'flow'))
    assert image.tolist() == pytest.approx([0, 160], abs=1) and flow.tolist() == pytest.approx([5, 165], abs=1)
    batch = pseudo_collate([item, dataset[1]])
    assert sorted(batch['inputs']) == ['flow', 'img']
    hard = ZeroShotDataset(data_root=zero_shot, split='FBMS', test_mode=True, pipeline=FLOW, soft=False)
    assert hard[0]['data_samples'].gt_masks.unique().tolist() == [0, 1]


def test_all_frames_and_the_one_after_a_clip(zero_shot):
    pipeline = [dict(type='LoadFrames'), dict(type='LoadLookAhead'), *FLOW[1:]]
    dataset = ZeroShotDataset(data_root=zero_shot, split='FBMS', test_mode=True, frames='all', clip_length=2,
                              pipeline=pipeline)
    items = [dataset[n] for n in range(3)]
    assert [item['inputs']['img'].shape[0] for item in items] == [3, 3, 2]
    assert [item['inputs']['flow'].shape[0] for item in items] == [2, 2, 1]
    assert [item['data_samples'].gt_annotated.tolist() for item in items] == [[True, False], [False, False], [True]]
    after = [item['inputs']['img'][-1].float().mean().item() for item in items]
    assert after == pytest.approx([80, 160, 120], abs=1)  # flow of the last frame of a video leads to the one before


def test_flow_on_the_way_is_that_of_neighbours_in_training_too(zero_shot):
    """Also where only some frames have truth."""
    steps = [dict(type='SampleClip', num_frames=1), dict(type='LoadFrames'), dict(type='LoadLookAhead'),
             dict(type='LoadMasks'), dict(type='MarkVisible'), dict(type='PackClip')]
    settings = dict(data_root=zero_shot, split='FBMS', flow=False)
    dataset = ZeroShotDataset(**settings, pipeline=steps, clip_length=1)
    pairs = {tuple(round(float(frame.float().mean()) / 40) for frame in dataset[n]['inputs']['img'])
             for n in range(len(dataset))}
    assert pairs == {(0, 1), (1, 2), (2, 1), (4, 3)}
    sparse = ZeroShotDataset(**settings, pipeline=steps[1:], test_mode=True)
    with pytest.raises(ValueError, match="in video 'bee' frame '000' is not followed by .*004.jpg"):
        sparse[0]


def test_flow_images_of_another_size(zero_shot):
    for t in range(3):
        _save(zero_shot / f'FBMS/cat/Flow/{t:03d}.png', np.full((12, 16, 3), 100))
    settings = dict(data_root=zero_shot, split='FBMS', test_mode=True)
    with pytest.raises(ValueError, match=r'size \(12, 16\) .* frames of video .cat. have \(6, 8\).*resize=True'):
        ZeroShotDataset(**settings, pipeline=FLOW)[1]
    steps = [FLOW[0], dict(type='LoadStream', resize=True), *FLOW[2:]]
    inputs = ZeroShotDataset(**settings, pipeline=steps)[1]['inputs']
    assert inputs['flow'].shape == inputs['img'].shape == (3, 3, 6, 8) and inputs['flow'].unique().tolist() == [100]


def test_frames_without_foreground_are_trained_on(zero_shot):
    for t in range(3):
        _save(zero_shot / f'FBMS/cat/GT/{t:03d}.png', _mask(0))
    steps = [dict(type='SampleClip', num_frames=1), *LOAD[:2], dict(type='MarkVisible'), LOAD[2]]
    dataset = ZeroShotDataset(data_root=zero_shot, split='FBMS', flow=False, pipeline=steps, clip_length=1)
    frames = [(item.video_id, item.frame_ids[0]) for item in (dataset[n]['data_samples'] for n in range(5))]
    assert frames == [('bee', '000'), ('bee', '004'), ('cat', '000'), ('cat', '001'), ('cat', '002')]


def test_numbers_of_frames_give_their_order(tmp_path):
    for t in (1, 2, 10):
        _save(tmp_path / f'set/v/Frame/{t}.png', _frame(t))
        _save(tmp_path / f'set/v/GT/{t}.png', _mask(255))
    dataset = ZeroShotDataset(data_root=tmp_path, split='set', flow=False, test_mode=True, pipeline=LOAD)
    assert dataset[0]['data_samples'].frame_ids == ['1', '2', '10']
    (tmp_path / 'set/w/Frame').mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r"1 sequences have no file in GT; .*frames='all'.*: .*w"):
        ZeroShotDataset(data_root=tmp_path, split='set', flow=False, test_mode=True, pipeline=LOAD)


def test_masks_in_colours_are_no_soft_truth(zero_shot):
    """Numbers of objects of an index PNG were taken for levels: a perfect map then scored maxF 0."""
    file = zero_shot / 'FBMS/cat/GT/000.png'
    _save(file, _mask(1, 2), palette=True)
    settings = dict(data_root=zero_shot, split='FBMS', flow=False, test_mode=True, pipeline=LOAD)
    dataset = ZeroShotDataset(**settings)
    with pytest.raises(ValueError, match=r'cat/GT/000.png: expected grey levels .*soft=False'):
        dataset[1]
    assert ZeroShotDataset(**settings, soft=False)[1]['data_samples'].gt_masks.unique().tolist() == [0, 1]
    image = Image.fromarray(_mask(1, 2).astype(np.uint8))
    image.putpalette([0, 0, 0, 128, 128, 128, 255, 255, 255])  # greys
    image.save(file)
    assert dataset[1]['data_samples'].gt_masks[0, 0].unique().tolist() == [0, 128, 255]


def test_training_clips_flip_all_streams(zero_shot):
    pipeline = [dict(type='SampleClip', num_frames=1), *FLOW[:3], dict(type='RandomFlipClip', prob=1.0),
                dict(type='ResizeClip', size=(4, 4)), dict(type='PackClip')]
    dataset = ZeroShotDataset(data_root=zero_shot, split='FBMS', pipeline=pipeline, clip_length=1)
    assert len(dataset) == 5
    item = dataset[1]
    assert item['inputs']['flow'].shape == item['inputs']['img'].shape == (1, 3, 4, 4)


def test_missing_files_are_listed_extra_ones_ignored(zero_shot):
    (zero_shot / 'FBMS/cat/Flow/001.png').rename(zero_shot / 'FBMS/cat/Flow/900.png')
    (zero_shot / 'FBMS/bee/Flow/004.png').unlink()
    with pytest.raises(FileNotFoundError, match=r'2 frames have no flow image .*bee/Flow/004, .*cat/Flow/001$'):
        ZeroShotDataset(data_root=zero_shot, split='FBMS', test_mode=True)
    assert len(ZeroShotDataset(data_root=zero_shot, split='FBMS', test_mode=True, flow=False)) == 2
    (zero_shot / 'FBMS/cat/Frame/002.jpg').unlink()
    with pytest.raises(FileNotFoundError, match='1 masks have no frame of their name .*cat/Frame/002'):
        ZeroShotDataset(data_root=zero_shot, split='FBMS', test_mode=True, flow=False)


def test_streams_that_do_not_fit(zero_shot):
    dataset = ZeroShotDataset(data_root=zero_shot, split='FBMS', test_mode=True, flow=False, pipeline=FLOW)
    with pytest.raises(KeyError, match="has no stream 'flow'"):
        dataset[0]
    _save(zero_shot / 'FBMS/bee/Flow/004.png', np.zeros((6, 9, 3)))
    dataset = ZeroShotDataset(data_root=zero_shot, split='FBMS', test_mode=True, pipeline=FLOW)
    with pytest.raises(ValueError, match=r'004.png: image of size \(6, 9\)'):
        dataset[0]


def test_davis16():
    dataset = DAVIS16Dataset(data_root=SAMPLES / 'davis2016', split='val', test_mode=True, pipeline=LOAD)
    sample = dataset[1]['data_samples']
    assert sample.video_id == 'dog' and sample.gt_masks.shape == (1, 3, 36, 50) and sample.gt_masks.max() == 1
    assert sample.target(0)[0].sum() == 279 and sample.num_expressions == 1 and sample.texts == []
    with pytest.raises(FileNotFoundError, match='ImageSets/480p/tst.txt: expected the list of the split'):
        DAVIS16Dataset(data_root=SAMPLES / 'davis2016', split='tst')


@pytest.fixture
def davis17(tmp_path):
    for t, values in enumerate([(1, 3, 255), (1, 0, 5), (0, 3, 3)]):
        _save(tmp_path / f'JPEGImages/480p/a/{t:05d}.jpg', _frame(50))
        _save(tmp_path / f'Annotations_unsupervised/480p/a/{t:05d}.png', _mask(*values), palette=True)
    _save(tmp_path / 'Annotations/480p/a/00000.png', _mask(2), palette=True)
    for year in ('2016', '2017'):
        (tmp_path / 'ImageSets' / year).mkdir(parents=True)
        (tmp_path / 'ImageSets' / year / 'val.txt').write_text('a\n')
    return tmp_path


def test_davis17_objects_of_the_first_frame(davis17):
    sample = DAVIS17Dataset(data_root=davis17, split='val', test_mode=True, pipeline=LOAD)[0]['data_samples']
    assert sample.object_ids == ['1', '3'] and sample.num_expressions == 2 and sample.texts == []
    assert sample.gt_valid.tolist() == [[True, True, False], [True, False, True]]
    assert sample.gt_ignore.flatten(1).sum(1).tolist() == [8, 0, 0]


def test_davis17_other_annotations_and_merged(davis17):
    sparse = DAVIS17Dataset(data_root=davis17, split='val', test_mode=True, annotations='Annotations', pipeline=LOAD)
    sample = sparse[0]['data_samples']
    assert sample.object_ids == ['2'] and sample.gt_annotated.tolist() == [True, False, False]
    merged = DAVIS17Dataset(data_root=davis17, split='val', test_mode=True, merge=True, pipeline=LOAD)
    merged = merged[0]['data_samples']
    assert merged.object_ids == ['1'] and merged.gt_masks.flatten(1).sum() == 16 + 16 + 16
    names = DAVIS16Dataset(data_root=davis17, split='val', test_mode=True, with_masks=False)
    assert [v.frame_ids for v in names.videos] == [('00000', '00001', '00002')]


@pytest.fixture
def youtube_vos(tmp_path):
    for t, values in ((15, (2,)), (20, (2, 11)), (25, (0, 11))):
        _save(tmp_path / f'train/JPEGImages/v/{t:05d}.jpg', _frame(t))
        if t < 25:
            _save(tmp_path / f'train/Annotations/v/{t:05d}.png', _mask(*values), palette=True)
    objects = {'2': dict(category='dog', frames=['00015']), '11': dict(category='person', frames=['00020'])}
    (tmp_path / 'train/meta.json').write_text(json.dumps(dict(videos=dict(v=dict(objects=objects)))))
    return tmp_path


def test_youtube_vos(youtube_vos):
    sample = YouTubeVOSDataset(data_root=youtube_vos, test_mode=True, pipeline=LOAD)[0]['data_samples']
    assert sample.object_ids == ['2', '11'] and sample.gt_annotated.tolist() == [True, True, False]
    assert sample.gt_valid.tolist() == [[True, True, False], [False, True, False]]
    merged = YouTubeVOSDataset(data_root=youtube_vos, pipeline=LOAD, merge=True, clip_length=3)
    assert len(merged) == 1 and merged[0]['data_samples'].gt_masks[0].flatten(1).sum(1).tolist() == [8, 16, 0]
    each = YouTubeVOSDataset(data_root=youtube_vos, pipeline=LOAD, clip_length=3)
    assert len(each) == 2 and each.videos[0].categories == {'2': 'dog', '11': 'person'}
    with pytest.raises(FileNotFoundError, match='expected a folder with files'):
        YouTubeVOSDataset(data_root=youtube_vos, test_mode=True, flow='Flow')
