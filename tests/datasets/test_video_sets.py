"""MeViS, ReVOS and Long-RVOS: records, targets, and what their files have odd."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mmlvs.datasets import LongRVOSDataset, MeViSDataset, ReVOSDataset
from mmlvs.datasets.long_rvos import group_starts
from mmlvs.datasets.samplers import ClipIndex

SAMPLES = Path(__file__).parents[1] / 'data' / 'samples'
LOAD = [dict(type='LoadFrames'), dict(type='LoadMasks'), dict(type='PackClip')]
CLIP = [dict(type='SampleLocalGlobalFrames', num_frames=3), *LOAD]


@pytest.fixture
def copy_of(tmp_path):
    def make(name):
        return Path(shutil.copytree(SAMPLES / name, tmp_path / name))
    return make


def _change(file, change):
    content = json.loads(file.read_text())
    change(content.get('videos', content))
    file.write_text(json.dumps(content))


# ------------------------------------------------------------------------------------------ MeViS


def test_mevis_targets_are_unions():
    dataset = MeViSDataset(data_root=SAMPLES / 'mevis', pipeline=LOAD, test_mode=True)
    sample = dataset[0]['data_samples']
    assert sample.expression_ids == ['0', '1', '10', '2'] and sample.object_ids == ['0', '1', '2']
    assert sample.gt_objects == [[0], [0, 1, 2], [1], [1, 0]] and sample.expressions_info[3]['obj_id'] == [1, 0]
    expected = json.loads((SAMPLES / 'mevis/expected.json').read_text())['sa2va_train']['items']
    assert [sample.target(n).flatten(1).sum(1).tolist() for n in range(4)] == [i['areas'] for i in expected[:4]]


def test_mevis_training_and_splits():
    dataset = MeViSDataset(data_root=SAMPLES / 'mevis', pipeline=CLIP, clip_length=3, stride=4)
    assert len(dataset) == 4 * 3 + 4 * 1
    item = dataset[ClipIndex(6, epoch=1, seed=0)]
    assert item['inputs']['img'].shape[:2] == (3, 3) and item['data_samples'].gt_valid.any()
    valid = MeViSDataset(data_root=SAMPLES / 'mevis', split='valid', pipeline=LOAD, test_mode=True)
    assert not valid.with_masks and 'gt_masks' not in valid[0]['data_samples']
    with pytest.raises(ValueError, match='masks of split .valid. .* does not name its object|has no folder of masks'):
        MeViSDataset(data_root=SAMPLES / 'mevis', split='valid', pipeline=CLIP)


def test_mevis_expressions_of_nothing(copy_of):
    root = copy_of('mevis')
    _change(root / 'train/meta_expressions.json',
            lambda videos: [row.update(anno_id=[], obj_id=[], audio='x') for row in
                            videos['f7e6d5c4']['expressions'].values()])
    dataset = MeViSDataset(data_root=root, pipeline=LOAD, test_mode=True)
    sample = dataset[1]['data_samples']
    assert sample.gt_masks.shape == (0, 4, 50, 40) and sample.gt_objects == [[], [], [], []]
    assert not sample.target(0).any() and sample.expressions_info[0]['audio'] == 'x'
    training = MeViSDataset(data_root=root, pipeline=CLIP, clip_length=9)
    assert training[4]['data_samples'].video_id == 'f7e6d5c4'  # not drawn anew: it asks for nothing


def test_mevis_refuses_what_is_ambiguous(copy_of):
    root = copy_of('mevis')
    _change(root / 'train/meta_expressions.json', lambda videos: videos['f7e6d5c4']['frames'].reverse())
    with pytest.raises(ValueError, match="video 'f7e6d5c4': frames are not sorted, but masks are stored by position"):
        MeViSDataset(data_root=root, pipeline=CLIP)


def test_mevis_object_without_masks(copy_of):
    root = copy_of('mevis')
    _change(root / 'train/meta_expressions.json',
            lambda videos: videos['f7e6d5c4']['expressions']['0'].update(anno_id=[9]))
    with pytest.raises(KeyError, match="mask_dict.json: has no masks of object '9'"):
        MeViSDataset(data_root=root, pipeline=LOAD, test_mode=True)[1]


# ------------------------------------------------------------------------------------------ ReVOS


def test_revos_paths_and_no_target(copy_of):
    root = copy_of('revos')
    _change(root / 'meta_expressions_valid_.json',
            lambda videos: videos.update({'UVO/vB': videos.pop('JPEGImages/UVO/vB')}))
    dataset = ReVOSDataset(data_root=root, split='valid', pipeline=LOAD, test_mode=True)
    assert [v.video_id for v in dataset.videos] == ['JPEGImages/LVVIS/train/00012', 'UVO/vB']
    for item in (dataset[0], dataset[1]):
        sample = item['data_samples']
        assert [info['type_id'] for info in sample.expressions_info] == [0, 1, 2]
        assert sample.target(1).any() and not sample.target(2).any()
    (root / 'meta_expressions_valid_.json').rename(root / 'meta_expressions_valid.json')
    assert len(ReVOSDataset(data_root=root, split='valid', test_mode=True)) == 2


# ------------------------------------------------------------------------------------------ Long-RVOS


def test_long_rvos_absent_files_are_absent_objects():
    dataset = LongRVOSDataset(data_root=SAMPLES / 'long_rvos', split='valid', pipeline=LOAD, test_mode=True)
    sample = dataset[0]['data_samples']
    files = [[(SAMPLES / f'long_rvos/valid/Annotations/v101/{o}/{f}.png').is_file() for f in sample.frame_ids]
             for o in sample.object_ids]
    assert sample.gt_valid.tolist() == files and sample.gt_annotated.all() and not np.array(files).all()
    assert sample.gt_masks.max() == 1 and sample.expressions_info[2]['type'] == 'hybrid'


def test_long_rvos_a_frame_without_any_object(copy_of):
    root = copy_of('long_rvos')
    for file in (root / 'valid/Annotations').rglob('00000.png'):
        file.unlink()
    dataset = LongRVOSDataset(data_root=root, split='valid', clip_length=1, pipeline=[LOAD[1]], test_mode=True)
    results = dataset.pipeline(dataset.results_of(0, np.random.default_rng(0)))
    assert results['gt_masks'].shape == (2, 1, 36, 40) and results['gt_annotated'].all()


@pytest.mark.parametrize('types, starts', [
    ('I' + 11 * 'P' + 'I' + 11 * 'P' + 'I', [0, 12]), ('I' + 11 * 'P', []),
    ('I' + 10 * 'P' + 'I' + 11 * 'P' + 'I', [11]),
    ('II' + 11 * 'P' + 'I', [1]), ('I' + 5 * 'P' + 'B' + 5 * 'P' + 'I', []), ('P', [])])
def test_key_frames_of_the_codec(types, starts):
    assert group_starts(types) == starts


def test_long_rvos_items_for_key_frames(copy_of):
    root = copy_of('long_rvos')
    settings = dict(data_root=root, sample='key_frames',
                    pipeline=[dict(type='SampleVideoKeyFrames', num_frames=2), *LOAD])
    with pytest.raises(IndexError):  # two key frames: no full ten of them
        LongRVOSDataset(**settings)[0]
    (root / 'motions/train/frame_types.json').write_text(json.dumps({'v001': (['I'] + ['P'] * 11) * 22 + ['I']}))
    dataset = LongRVOSDataset(**settings)
    assert len(dataset) == 3 * 2  # 22 key frames: two repetitions of each of three expressions
    (root / 'motions/train/frame_types.json').write_text(json.dumps({'v001': (['I'] + ['P'] * 11) * 2 + ['I', 'P']}))
    dataset.frame_types = {'v001': (['I'] + ['P'] * 11) * 2 + ['I', 'P']}
    sample = dataset[2]['data_samples']
    assert sample.frame_ids == ['00000', '00036'] and sample.gt_valid.any()
