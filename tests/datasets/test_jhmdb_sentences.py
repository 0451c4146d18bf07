"""JHMDB-Sentences: windows, paths, usable frames, the drawn metadata, and what is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from mmlvs.datasets import JHMDBSentencesDataset, PuppetMasks
from mmlvs.datasets.jhmdb_sentences import METADATA, draw_metadata, read_metadata
from mmlvs.datasets.mask_sources import read_part_mask

SAMPLE = Path(__file__).parents[1] / 'data' / 'samples' / 'jhmdb_sentences'
PIPELINE = [dict(type='SampleWindow', num_frames=6), dict(type='LoadFrames'), dict(type='LoadMasks'),
            dict(type='CleanText'), dict(type='PackClip')]


@pytest.fixture
def root(tmp_path):
    shutil.copytree(SAMPLE, tmp_path / 'jhmdb_sentences')
    read_part_mask.cache_clear()
    return tmp_path / 'jhmdb_sentences'


def _dataset(root=SAMPLE, **settings):
    return JHMDBSentencesDataset(data_root=root, **dict(dict(pipeline=PIPELINE), **settings))


def test_items_of_the_official_reader():
    want = json.loads((SAMPLE / 'expected.json').read_text())['referformer']['val']['num_frames_6']['items']
    dataset = _dataset()
    assert len(dataset) == len(want)
    for index, row in enumerate(want):
        sample = dataset[index]['data_samples']
        assert [int(f) for f in sample.frame_ids] == row['frames_idx'] and sample.key_frames == row['valid_indices']
        assert sample.texts == [row['caption']] and sample.expressions_info[0]['image_id'] == row['image_id']
        assert sample.gt_boxes[0, sample.key_frames[0]].tolist() == row['boxes'][0]
        assert int(sample.gt_masks.sum()) == row['masks'][0]['area'] and list(sample.ori_shape) == row['orig_size']


def test_the_folder_may_have_any_name(root):
    moved = root.rename(root.with_name('JHMDB sentences'))
    assert len(_dataset(moved)) == 6 and _dataset(moved)[5]['data_samples'].gt_valid.any()


def test_windows_end_at_the_last_mask():
    dataset = _dataset()
    assert [v.frame_ids[-1] for v in dataset.videos] == ['00010', '00005']
    assert dataset[5]['data_samples'].frame_ids == ['00002', '00003', '00004', '00005', '00005', '00005']
    folder = dataset.frame_path('Vid_wave_u_nm_np1_fr_med_1', '00008')
    assert folder.is_file()  # there is an image, but no mask


def test_metadata_drawn_as_the_distributed_file_was(root):
    want = json.loads((root / METADATA).read_text())
    (root / METADATA).unlink()
    assert draw_metadata(root, seed=42) == want
    assert draw_metadata(root, seed=1) != want
    with pytest.raises(FileNotFoundError, match='list of evaluated frames is missing'):
        read_metadata(root)


def test_masks_with_one_frame_and_beyond_the_last(root):
    file = root / 'one.mat'
    savemat(file, dict(part_mask=np.eye(4, 6, dtype=np.uint8)))  # MATLAB drops the last axis
    source = PuppetMasks(files=dict(v=file))
    assert source.read('v', '00001', 0, ['1']).objects.shape == (1, 4, 6)
    assert source.read('v', '00002', 1, ['1']) is None
    savemat(root / 'other.mat', dict(mask=np.zeros(3)))
    with pytest.raises(ValueError, match='expected the variable part_mask'):
        PuppetMasks(files=dict(v=root / 'other.mat')).read('v', '00001', 0, ['1'])
    (root / 'bad.mat').write_bytes(b'x' * 200)
    with pytest.raises(ValueError, match='no readable MATLAB'):
        PuppetMasks(files=dict(v=root / 'bad.mat')).read('v', '00001', 0, ['1'])
    with pytest.raises(FileNotFoundError, match='annotation is missing'):
        PuppetMasks(files=dict(v=root / 'none.mat')).read('v', '00001', 0, ['1'])


def test_refused(root):
    with pytest.raises(ValueError, match='for evaluation'):
        _dataset(root, split='train')
    rows = json.loads((root / METADATA).read_text())
    rows[0][3] = 0
    (root / METADATA).write_text(json.dumps(rows))
    with pytest.raises(ValueError, match='lies outside the 0 usable frames'):
        _dataset(root)
    (root / METADATA).write_text('[[1, 2]]')
    with pytest.raises(ValueError, match='expected a list of'):
        _dataset(root)
