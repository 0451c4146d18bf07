"""A2D-Sentences: key-frame items, layouts, every rule of the class, and what it refuses."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from mmlvs.datasets import A2DMasks, A2DSentencesDataset
from mmlvs.datasets.a2d_sentences import build_list, key_frame_records, read_list

SAMPLE = Path(__file__).parents[1] / 'data' / 'samples' / 'a2d_sentences'
EXPECTED = json.loads((SAMPLE / 'expected.json').read_text())
PIPELINE = [dict(type='SampleWindow', num_frames=5), dict(type='LoadFrames'), dict(type='LoadMasks'),
            dict(type='CleanText'), dict(type='PackClip')]
H5 = 'text_annotations/a2d_annotation_with_instances'


@pytest.fixture
def root(tmp_path):
    shutil.copytree(SAMPLE, tmp_path / 'a2d')
    return tmp_path / 'a2d'


def _dataset(root=SAMPLE, **settings):
    return A2DSentencesDataset(data_root=root, **dict(dict(pipeline=PIPELINE), **settings))


def test_windows_masks_and_sentences_of_the_official_reader():
    want = EXPECTED['referformer']['val']['num_frames_5']['items']
    dataset = _dataset(split='test', test_mode=True, unit='expression')
    assert len(dataset) == len(want)
    for index, row in enumerate(want):
        sample = dataset[index]['data_samples']
        assert [int(f) - 1 for f in sample.frame_ids] == row['frames_idx'] and sample.texts == [row['caption']]
        assert sample.key_frames == row['valid_indices']
        assert sample.expressions_info[0]['image_id'] == row['image_id']
        key = row['valid_indices'][0]
        assert sample.gt_boxes[0, key].tolist() == row['boxes'][0]
        assert int(sample.gt_masks[0, key].sum()) == row['masks'][0]['area'] == int(sample.gt_masks.sum())
        assert sample.gt_annotated.nonzero().flatten().tolist() == [key]


def test_one_item_per_annotated_frame_reads_it_once(monkeypatch):
    read = []
    original = A2DMasks.read
    monkeypatch.setattr(A2DMasks, 'read', lambda self, *args: (read.append(args[:2]), original(self, *args))[1])
    dataset = _dataset(split='test', test_mode=True)
    samples = [dataset[i]['data_samples'] for i in range(len(dataset))]
    assert len(dataset) == len(read) == len(set(read)) == 5
    assert [s.num_expressions for s in samples] == [2, 2, 1, 1, 1]
    ids = [info['image_id'] for s in samples for info in s.expressions_info]
    assert sorted(ids) == sorted(row['image_id'] for row in EXPECTED['referformer']['val']['num_frames_5']['items'])


def test_training_clip_holds_the_annotated_frame():
    sampled = [dict(type='SampleLocalGlobalFrames', num_frames=5), *PIPELINE[1:]]
    dataset = _dataset(pipeline=sampled, clip_length=5)
    for epoch in range(5):
        for index in range(len(dataset)):
            sample = dataset.get_item(index, epoch=epoch)['data_samples']
            key = sample.key_frames[0]
            assert len(sample.frame_ids) == 5 and sample.gt_valid[0].nonzero().flatten().tolist() == [key]
            assert sample.frame_ids[key] == ['00015', '00030'][index] and key == sample.frame_ids.index(
                sample.frame_ids[key])
    assert dataset.cost_of(0) == 5


def test_clips_keep_the_annotated_frame():
    early = [dict(type='SampleLocalGlobalFrames', num_frames=1, single=False), *PIPELINE[1:]]
    with pytest.raises(ValueError, match='lacks the annotated frame 14'):
        _dataset(pipeline=early)[0]
    with pytest.raises(ValueError, match='has one annotated frame per item'):
        _dataset(pipeline=[PIPELINE[0], dict(type='DrawKeyFrames', num_key_frames=2)])[0]
    with pytest.raises(ValueError, match="key 'last'"):
        _dataset(pipeline=[dict(type='SampleWindow', num_frames=5, key='last')])


def test_the_centre_of_a_window():
    centred = [dict(type='SampleWindow', num_frames=5, key='centre'), *PIPELINE[1:]]
    first, centre = (_dataset(split='test', test_mode=True, pipeline=p) for p in (PIPELINE, centred))
    assert first[3]['data_samples'].frame_ids == ['00001', '00001', '00001', '00002', '00003']
    assert (first[3]['data_samples'].key_frames, centre[3]['data_samples'].key_frames) == ([0], [2])


@pytest.mark.parametrize('subset', ['train', 'test'])
def test_list_is_built_as_the_official_one(root, subset):
    want = EXPECTED['mttr']['json_written'][subset]
    assert [list(row) for row in build_list(root, subset)] == want
    for file in root.glob('a2d_sentences_single_frame_*'):
        file.unlink()
    assert [list(row) for row in read_list(root, subset)] == want


def test_layout_of_lavt_rs(root, tmp_path):
    release = tmp_path / 'A2D' / 'Release'
    shutil.copytree(root / 'Release', release)
    for file in (root / 'text_annotations').iterdir():
        file.rename(release / file.name)
    for file in root.glob('a2d_sentences_single_frame_*'):
        file.rename(release / file.name)
    for place in (release, release.parent):
        dataset = _dataset(place, split='test', test_mode=True)
        assert len(dataset) == 5 and dataset[0]['data_samples'].gt_valid.any()


def test_extracted_frames_are_the_decoded_ones(root):
    from PIL import Image

    from mmlvs.io import iter_frames
    before = _dataset(root, split='test', test_mode=True)[0]['inputs']['img']
    folder = root / 'frames' / '-0AbC_dEf12'
    folder.mkdir(parents=True)
    for number, frame in enumerate(iter_frames(root / 'Release/clips320H/-0AbC_dEf12.mp4'), 1):
        Image.fromarray(frame).save(folder / f'{number:05d}.png')
    item = _dataset(root, split='test', test_mode=True)[0]
    assert item['data_samples'].frame_paths[0].endswith('.png') and (item['inputs']['img'] == before).all()


def test_masks_of_one_and_of_several_instances(root):
    source = A2DMasks(path=f'{root}/{H5}/{{video}}/{{frame}}.h5')
    several = source.read('zZ9yX8wV7u0', '00030', 29, ['2', '1', '3'])
    assert several.objects.shape == (3, 48, 64) and several.objects.sum((1, 2)).tolist() == [304, 0, 153]
    assert source.read('T6bNPuKV-wY', '00009', 8, ['1']).objects.sum() == 222
    assert source.read('T6bNPuKV-wY', '00002', 1, ['1']) is None
    assert source.read('T6bNPuKV-wY', '00009', 8, []).objects.shape == (0, 40, 72)


def test_damaged_masks_are_named(root):
    source, file = A2DMasks(path=f'{root}/{H5}/{{video}}/{{frame}}.h5'), root / H5 / 'T6bNPuKV-wY' / '00009.h5'
    with h5py.File(file, 'r+') as content:
        content['instance'][...] = 1
        del content['instance']
        content['instance'] = np.array([1.0, 2.0])
    with pytest.raises(ValueError, match='does not fit the 2 ids'):
        source.read('T6bNPuKV-wY', '00009', 8, ['1'])
    with h5py.File(file, 'r+') as content:
        del content['instance']
    with pytest.raises(ValueError, match=r"has no field \['instance'\]"):
        source.read('T6bNPuKV-wY', '00009', 8, ['1'])
    file.write_bytes(b'broken')
    with pytest.raises(ValueError, match='no readable HDF5'):
        source.read('T6bNPuKV-wY', '00009', 8, ['1'])


def test_records_of_interleaved_rows():
    rows = [('a', 'cat', 4, '1'), ('b', 'dog', 0, '1'), ('a', 'cat', 9, '1'), ('a', 'pet', 4, '1'),
            ('a', 'cat', 4, '1')]
    a, b = key_frame_records(rows)
    assert [(e.expression_id, e.text, e.key_frames) for e in a.expressions] == [
        ('0', 'cat', (4, 9)), ('1', 'pet', (4,)), ('2', 'cat', (4,))]
    assert (b.video_id, b.frame_ids, b.expressions[0].object_ids) == ('b', None, ('1',))


@pytest.mark.parametrize('file, content, message', [
    ('Release/videoset.csv', 'a,1,0\n', 'expected 9 columns'),
    ('text_annotations/a2d_annotation.txt', 'video,query\n', 'expected a header'),
    ('a2d_sentences_single_frame_test_annotations.json', '[["a"]]', 'build it again'),
    ('a2d_sentences_single_frame_test_annotations.json', '{', 'build it again'),
])
def test_wrong_files_are_refused(root, file, content, message):
    if not file.startswith('a2d'):
        (root / 'a2d_sentences_single_frame_test_annotations.json').unlink()
    (root / file).write_text(content)
    with pytest.raises(ValueError, match=message):
        _dataset(root, split='test', test_mode=True)


def test_missing_files_are_named(root):
    with pytest.raises(ValueError, match="split 'testing'"):
        _dataset(root, split='testing')
    (root / 'Release/clips320H/-0AbC_dEf12.mp4').unlink()
    with pytest.raises(FileNotFoundError, match='-0AbC_dEf12.mp4: video is missing'):
        _dataset(root, split='test', test_mode=True)[0]
    shutil.rmtree(root / 'Release')
    with pytest.raises(FileNotFoundError, match='needs one of .*clips320H'):
        _dataset(root)
