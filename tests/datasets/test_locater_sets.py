"""Locater's sets: labels, global frames, spellings, and every rule of the class."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from mmlvs.datasets import LocaterDataset
from mmlvs.datasets.locater_sets import EXPRESSION_FIXES, fix_expression, global_frame_numbers

SAMPLE = Path(__file__).parents[1] / 'data' / 'samples' / 'locater'
EXPECTED = json.loads((SAMPLE / 'expected.json').read_text())['locater']['sets']
PIPELINE = [dict(type='LoadFrames'), dict(type='LoadFrames', stream='global_img', paths='global_frame_paths'),
            dict(type='LoadMasks'), dict(type='PackClip')]


@pytest.fixture
def root(tmp_path):
    shutil.copytree(SAMPLE, tmp_path / 'datasets')
    return tmp_path / 'datasets'


def _dataset(root=SAMPLE, **settings):
    return LocaterDataset(data_root=root, **dict(dict(pipeline=PIPELINE), **settings))


def _change(root, change, subset='NORM'):
    file = root / 'A2D_SUBSET' / subset / f'A2D_{subset}_test_expressions.json'
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


@pytest.mark.parametrize('subset', ['NORM', 'MUL', 'SPAT', 'TEMP', 'JHMDB'])
def test_items_of_the_official_reader(subset):
    want = EXPECTED[f'{"JHMDB/None" if subset == "JHMDB" else f"A2D/{subset}"}/N1=3']['items']
    dataset = _dataset(subset=subset)
    assert len(dataset) == len(want)
    for index, row in enumerate(want):
        item = dataset[index]
        sample = item['data_samples']
        assert sample.video_id == row['sample']['sequence'] and sample.texts == [row['checked_phrase']]
        labelled = [t for t, frame in enumerate(row['frames']) if frame['labelled']]
        assert sample.key_frames == labelled == sample.gt_annotated.nonzero().flatten().tolist()
        assert sample.gt_masks[0, labelled].sum((1, 2)).tolist() == [row['frames'][t]['mask']['area'] for t in labelled]
        assert list(item['inputs']['global_img'].shape) == [3, 3, *row['global_shape'][1:3]]
        assert [int(n) for n in dataset.global_frames(sample.video_id)] == row['global_frame_numbers_1based']


def test_later_clips_have_no_global_frames():
    dataset = _dataset(clip_length=4)
    samples = [dataset[i] for i in range(3)]
    assert [len(s['inputs']['global_img']) for s in samples] == [3, 0, 0]
    assert [s['data_samples'].key_frames for s in samples] == [[2], [], [2]]


def test_global_frames():
    assert global_frame_numbers(100, 3) == [17, 50, 83]
    assert global_frame_numbers(2, 3) == [1, 2, 2] and global_frame_numbers(2, 3, clamp=False) == [0, 0, 0]
    assert all(1 <= n <= frames for frames in range(1, 40) for k in range(1, 8)
               for n in global_frame_numbers(frames, k))


def test_the_frame_dictionary_counts(root):
    torch.save({'vANORM_1': 8, 'vB-NORM': 4}, root / 'A2D_SUBSET' / 'NORM' / 'vid_frame_dict.pth')
    assert _dataset(root).global_frames('vANORM_1') == ['00001', '00003', '00005']
    torch.save({'vANORM_1': 8}, root / 'A2D_SUBSET' / 'NORM' / 'vid_frame_dict.pth')
    with pytest.raises(ValueError, match="has no frame number of 'vB-NORM'"):
        _dataset(root)


def test_repeated_and_strange_labels_and_frames(root):
    def change(content):
        entry = content['vANORM_1']
        entry['frames'] = [*reversed(entry['frames']), '00004']
        entry['expressions']['2']['labels'] += ['00099']
    _change(root, change)
    sample = _dataset(root)[1]['data_samples']
    assert sample.frame_ids == [f'{n:05d}' for n in range(1, 12)] and sample.key_frames == [10]
    assert sample.expressions_info[0]['labels'] == ['00011', '00099']


def test_masks_that_are_no_labels_are_left_aside_and_labels_need_masks(root):
    folder = root / 'A2D_SUBSET' / 'NORM' / 'mask'
    shutil.copy(folder / 'vANORM_1_1_00003.pth', folder / 'vANORM_1_2_00003.pth')
    assert _dataset(root)[1]['data_samples'].key_frames == [10]
    (folder / 'vANORM_1_1_00003.pth').unlink()
    with pytest.raises(FileNotFoundError, match='vANORM_1_1_00003.pth: annotation is missing'):
        _dataset(root)[0]
    torch.save(torch.zeros(2, 3, 4), folder / 'vANORM_1_1_00003.pth')
    with pytest.raises(ValueError, match=r'expected a tensor \(H, W\)'):
        _dataset(root)[0]
    (folder / 'vANORM_1_1_00003.pth').write_bytes(b'junk')
    with pytest.raises(ValueError, match='no plain tensor file'):
        _dataset(root)[0]


def test_spellings_of_folders_and_files(root):
    subset = root / 'A2D_SUBSET'
    (subset / 'MUL').rename(subset / 'A2D_NUL')
    (subset / 'A2D_NUL' / 'A2D_MUL_test_expressions.json').rename(subset / 'A2D_NUL' / 'A2D_NUL_test_expressions.json')
    (subset / 'A2D_NUL' / 'vid_frame_dict.pth').rename(subset / 'A2D_NUL' / 'vid_frames_dict.pth')
    (subset / 'TEMP').rename(root / 'A2D_TEMP')
    assert len(_dataset(root, subset='MUL')) == len(_dataset(root.parent, subset='TEMP')) == 3
    with pytest.raises(FileNotFoundError, match='no folder of TEMP'):
        _dataset(subset, subset='TEMP')
    (root / 'JHMDB' / 'vid_frames_dict.pth').unlink()
    with pytest.raises(FileNotFoundError, match='expected counts as one of'):
        _dataset(root, subset='JHMDB')


def test_corrected_sentences():
    assert fix_expression('White brown is eating  the corn') == 'white brown dog is eating the corn'
    assert fix_expression('white brown is eating the corn') == 'white brown is eating the corn'
    assert fix_expression('Solder in camouflage uniforms crawling ') == 'soldier in camouflage uniforms crawling'
    assert len(EXPRESSION_FIXES) == 15
    assert _dataset(correct_text=False)[1]['data_samples'].texts == ['The Peson in red is standing']


@pytest.mark.parametrize('settings, message', [
    (dict(subset='ALL'), "subset 'ALL'"), (dict(split='train'), 'only the test annotations'),
    (dict(unit='video'), 'labelled in other frames'), (dict(num_global=0), 'num_global 0'),
])
def test_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        _dataset(**settings)
