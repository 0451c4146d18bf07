"""Ref-YouTube-VOS: the tiny official sample against what the official reader returned, layouts and errors."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from mmlvs.datasets import RefYouTubeVOSDataset, category_number
from mmlvs.datasets.transforms import LabelObjects
from mmlvs.datasets.transforms.boxes import normalise_boxes

SAMPLE = Path(__file__).parents[1] / 'data' / 'samples' / 'ref-youtube-vos'
EXPECTED = json.loads((SAMPLE / 'expected.json').read_text())['referformer']
REAL_CLIPS = Path(__file__).parents[3] / 'shared' / 'real_clips'
LOAD = [dict(type='LoadFrames'), dict(type='LoadMasks')]
PACK = [dict(type='CleanText'), dict(type='PackClip')]


def _train(num_frames, *steps):
    sample = dict(type='SampleLocalGlobalFrames', num_frames=num_frames)
    return RefYouTubeVOSDataset(data_root=SAMPLE, clip_length=num_frames, pipeline=[sample, *LOAD, *steps, *PACK])


def _md5(mask):
    return hashlib.md5(np.packbits((mask > 0).astype(np.uint8).ravel()).tobytes()).hexdigest()


def test_single_frames_are_the_official_items():
    dataset = _train(1)
    want = EXPECTED['num_frames_1']
    assert len(dataset) == want['len']
    compared = 0
    for index, row in enumerate(want['items']):
        item = dataset[index]
        sample = item['data_samples']
        if row.get('resampled'):
            plan = dataset.items[index]
            assert (dataset.video_of(index), plan.start) == (row['video'], row['frame_id'])
            assert sample.gt_valid.any()
            continue
        assert sample.video_id == row['video'] and sample.object_ids == [str(row['obj_id'])]
        assert sample.frame_ids == [row['frames'][t] for t in row['frames_idx']]
        assert sample.texts == [row['caption']]
        assert sample.gt_valid[0].int().tolist() == row['valid']
        assert sample.gt_boxes[0].tolist() == row['boxes']
        assert [_md5(m) for m in sample.gt_masks[0].numpy()] == [m['md5'] for m in row['masks']]
        assert list(sample.ori_shape) == row['orig_size']
        assert list(item['inputs']['img'].shape) == row['image_shape']
        np.testing.assert_allclose(item['inputs']['img'].float().mean((0, 2, 3)), row['mean_rgb'], atol=0.05)
        assert [category_number(row['category'])] == row['labels']
        compared += 1
    assert compared > 30


@pytest.mark.parametrize('num_frames', [3, 5, 8])
def test_training_list_is_the_official_one(num_frames):
    dataset = _train(num_frames)
    want = EXPECTED[f'num_frames_{num_frames}']
    assert len(dataset) == want['len']
    got = []
    for plan in dataset.items:
        video = dataset.videos[plan.video]
        got.append(dict(video=video.video_id, obj_id=int(video.expressions[plan.expressions[0]].object_ids[0]),
                        frame_id=plan.start))
    assert got == [{k: row[k] for k in ('video', 'obj_id', 'frame_id')} for row in want['metas']]


def test_validation_transform():
    dataset = _train(1, dict(type='ResizeClip', short_side=360, max_long_side=640),
                     dict(type='MarkVisible', by='boxes'))
    for row in EXPECTED['val_transform']:
        item = dataset[row['index']]
        sample = item['data_samples']
        assert list(item['inputs']['img'].shape) == row['imgs_shape']
        assert list(sample.img_shape) == row['size']
        boxes = normalise_boxes(sample.gt_boxes[0].numpy(), sample.img_shape)
        np.testing.assert_allclose(boxes, row['boxes_cxcywh'], atol=1e-6)
        assert sample.gt_masks[0].sum((1, 2)).tolist() == row['mask_areas']


def test_category_numbers():
    dataset = _train(1, dict(type='LabelObjects'))
    for index, row in enumerate(EXPECTED['num_frames_1']['items']):
        if not row.get('resampled'):
            assert dataset[index]['data_samples'].gt_labels.tolist() == [EXPECTED['category_ids'][row['category']]]
    assert {name: category_number(name) for name in EXPECTED['category_ids']} == EXPECTED['category_ids']
    with pytest.raises(ValueError, match="'unicorn' is none of the 65"):
        category_number('unicorn')
    with pytest.raises(ValueError, match="category 'person' is none of the 2"):
        _train(1, dict(type='LabelObjects', categories=['cat', 'dog']))[0]
    with pytest.raises(ValueError, match="categories 'coco': expected one of"):
        LabelObjects(categories='coco')


def test_labels_need_the_meta_file(make_root):
    root = make_root({'v': dict(frames=['0'], expressions={'0': dict(exp='thing', obj_id='1')})})
    with pytest.raises(ValueError, match="object '1' of video 'v' has no category"):
        RefYouTubeVOSDataset(data_root=root, pipeline=[*LOAD, dict(type='LabelObjects'), *PACK])[0]


def test_valid_split_without_test_videos_and_masks():
    dataset = RefYouTubeVOSDataset(data_root=SAMPLE, split='valid', test_mode=True,
                                   pipeline=[*LOAD, dict(type='PackClip')])
    assert [video.video_id for video in dataset.videos] == ['3c4d5e6f70', '8b7a6c5d4e']
    sample = dataset[0]['data_samples']
    assert sample.texts == ['a  Person walking', 'the other one'] and 'gt_masks' not in sample
    assert sample.frame_ids == ['00015', '00010', '00005', '00000']
    assert sample.clip == dict(index=0, is_first=True, is_last=True)


def test_limit_metainfo_and_texts():
    dataset = RefYouTubeVOSDataset(data_root=SAMPLE, clip_length=5, limit=1)
    assert len(dataset.videos) == 1 and dataset.metainfo['split'] == 'train'
    assert dataset.texts()[2] == ' a dog running left\t'
    extra = dataset.texts(exchanged=True)[len(dataset.texts()):]
    assert extra == ['a  person walking to the left', 'The Person on the RIGHT', ' a dog running right\t']


def test_layouts(make_root):
    root = make_root({'v': dict(frames=['00000', '00001'], expressions={'0': dict(exp='thing', obj_id='1')})})
    (root / 'train' / 'meta_expressions.json').write_bytes(
        (root / 'meta_expressions' / 'train' / 'meta_expressions.json').read_bytes())
    flat = RefYouTubeVOSDataset(data_root=root / 'train', layout='flat', test_mode=True, pipeline=LOAD)
    own = RefYouTubeVOSDataset(data_root=root, layout=dict(frames='train/JPEGImages', masks='train/Annotations'),
                               test_mode=True, pipeline=LOAD)
    for dataset in (flat, own):
        assert dataset[0]['gt_masks'].shape == (1, 2, 20, 30)
    with pytest.raises(ValueError, match="layout 'round': expected one of"):
        RefYouTubeVOSDataset(data_root=root, layout='round')
    with pytest.raises(ValueError, match=r"layout: unknown \['frame'\]"):
        RefYouTubeVOSDataset(data_root=root, layout=dict(frame='x'))


def test_free_keys_objects_and_noun_chunks(make_root):
    index = np.zeros((20, 30), np.uint8)
    index[0:4, 0:4], index[10:12, 20:25] = 1, 2
    expressions = {'0': dict(exp='two things', obj_id=['1', 2], noun_chunks=[[4, 10]], clue_type='shape'),
                   '1': dict(exp='no thing', obj_id=[])}
    root = make_root({'v': dict(frames=['0'], expressions=expressions, masks={'0': index})})
    dataset = RefYouTubeVOSDataset(data_root=root, test_mode=True, pipeline=[*LOAD, dict(type='PackClip')])
    sample = dataset[0]['data_samples']
    assert sample.object_ids == ['1', '2'] and sample.gt_objects == [[0, 1], []]
    assert sample.expressions_info == [dict(clue_type='shape'), {}] and sample.noun_chunks == [[(4, 10)], []]
    assert int(sample.target(0).sum()) == 26 and not sample.target(1).any()


@pytest.mark.parametrize('change, message', [
    (lambda e: e['videos']['v'].pop('frames'), "expected the key 'frames'"),
    (lambda e: e['videos']['v'].update(frames=[]), 'lists no frames'),
    (lambda e: e['videos']['v'].update(expressions={}), 'has no expression'),
    (lambda e: e['videos']['v']['expressions']['0'].update(exp=' \t'), "expression '0' is empty"),
    (lambda e: e['videos']['v']['expressions']['0'].pop('exp'), 'under the key "exp"'),
    (lambda e: e['videos']['v']['expressions']['0'].update(obj_id='255'), "object id '255'"),
    (lambda e: e['videos']['v']['expressions']['0'].pop('obj_id'), 'does not name its object'),
    (lambda e: e['videos']['v']['expressions']['0'].update(noun_chunks=[[2, 99]]), 'noun chunk 2..99'),
    (lambda e: e.pop('videos'), 'expected an object with the key "videos"'),
    (lambda e: e.update(videos={}), 'lists no video'),
])
def test_wrong_annotation_files(make_root, change, message):
    root = make_root({'v': dict(frames=['0'], expressions={'0': dict(exp='thing', obj_id='1')})})
    file = root / 'meta_expressions' / 'train' / 'meta_expressions.json'
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        RefYouTubeVOSDataset(data_root=root)


def test_missing_and_broken_annotation_file(make_root, tmp_path):
    with pytest.raises(FileNotFoundError, match='check data_root, split and layout'):
        RefYouTubeVOSDataset(data_root=tmp_path)
    root = make_root({'v': dict(frames=['0'], expressions={'0': dict(exp='thing', obj_id='1')})})
    (root / 'meta_expressions' / 'train' / 'meta_expressions.json').write_text('{"videos": ')
    with pytest.raises(ValueError, match='no valid JSON'):
        RefYouTubeVOSDataset(data_root=root)


@pytest.mark.skipif(not REAL_CLIPS.is_dir(), reason='real clips are not part of the repository')
def test_real_clip_areas():
    root = REAL_CLIPS / 'libby'
    dataset = RefYouTubeVOSDataset(data_root=root, layout='flat', test_mode=True, clip_length=10, limit=1,
                                   pipeline=[*LOAD, dict(type='PackClip')])
    want = json.loads((root / 'expected.json').read_text())
    sample = dataset[2]['data_samples']
    assert list(sample.ori_shape) == want['size_h_w'] and len(dataset) == -(-want['frames'] // 10)
    assert sample.target(0).sum((1, 2)).tolist() == want['areas']['1'][20:30]
