"""Ref-DAVIS17: raw and converted, four annotators, both tasks, odd text files."""

import json
import shutil
from pathlib import Path

import pytest

from mmlvs.datasets import RefDAVISDataset
from mmlvs.datasets.categories import REF_DAVIS_CATEGORIES
from mmlvs.datasets.ref_davis import convert_annotations, load_sequence, read_sentences

SAMPLE = Path(__file__).parents[1] / 'data' / 'samples' / 'ref-davis'
EXPECTED = json.loads((SAMPLE / 'expected.json').read_text())
PIPELINE = [dict(type='LoadFrames'), dict(type='LoadMasks'), dict(type='PackClip')]


@pytest.fixture
def root(tmp_path):
    shutil.copytree(SAMPLE, tmp_path / 'ref-davis')
    return tmp_path / 'ref-davis'


def _dataset(root=SAMPLE, **settings):
    return RefDAVISDataset(data_root=root, **dict(dict(pipeline=PIPELINE, test_mode=True), **settings))


@pytest.mark.parametrize('split', ['train', 'valid'])
def test_annotations_are_those_of_the_official_converter(split):
    expressions, meta = convert_annotations(SAMPLE, split)
    assert expressions == EXPECTED['converted_files'][f'meta_expressions/{split}/meta_expressions.json']
    assert meta == EXPECTED['converted_files'][f'{split}/meta.json']
    assert [list(v['expressions']) for v in expressions['videos'].values()] == [
        [str(k) for k in range(len(v['expressions']))] for v in expressions['videos'].values()]


def test_training_list():
    dataset = _dataset(split='train', test_mode=False, clip_length=3, pipeline=[*PIPELINE[:2], dict(
        type='LabelObjects', categories='ref_davis'), PIPELINE[2]])
    want = EXPECTED['referformer']['sets']['train']
    assert len(dataset) == want['len']
    for plan, row in zip(dataset.items, want['metas'], strict=True):
        expression = dataset.videos[plan.video].expressions[plan.expressions[0]]
        assert (expression.text, expression.object_ids) == (row['exp'], (str(row['obj_id']),))
        assert plan.start == row['frame_id']
    assert dataset[0]['data_samples'].gt_labels.tolist() == [EXPECTED['referformer']['category_ids']['car']]
    assert len(REF_DAVIS_CATEGORIES) == 78 and list(REF_DAVIS_CATEGORIES) == sorted(REF_DAVIS_CATEGORIES)


def test_sentences_of_one_annotator():
    for annotator in range(4):
        dataset = _dataset(split='val', annotator=annotator)
        sample = dataset[1]['data_samples']
        assert sample.object_ids == ['1', '2', '3'] and {i['annotator'] for i in sample.expressions_info} == {annotator}
        assert sample.expression_ids == [str(4 * j + annotator) for j in range(3)]
    assert _dataset()[1]['data_samples'].num_expressions == 12


def test_tasks_void_and_tracks():
    want = EXPECTED['referformer']['sets']['valid']['tracks']['kite-surf']
    sample = _dataset()[1]['data_samples']
    assert sample.gt_masks.flatten(2).sum(2).tolist() == list(want['areas'].values())
    assert sample.gt_ignore.flatten(1).sum(1).tolist() == want['void_255']
    semi = _dataset(task='semi-supervised')[1]['data_samples']
    assert not semi.gt_ignore.any()


def test_toolkit_reader_takes_the_objects_of_the_first_frame(root):
    want = EXPECTED['davis_class']['sets']['unsupervised/val']['kite-surf']
    names, masks, void = load_sequence(SAMPLE / 'DAVIS', 'kite-surf', 'unsupervised')
    assert names == want['ids'] and list(masks.shape) == want['masks_shape_objects_frames_h_w']
    assert void.sum((1, 2)).tolist() == want['void_area']
    with pytest.raises(FileNotFoundError, match='no annotation'):
        load_sequence(SAMPLE / 'DAVIS', 'nobody', 'unsupervised')


def test_text_files_with_odd_lines(tmp_path):
    file = tmp_path / 'a.txt'
    file.write_bytes(b'motor-bike 2 "  caf\xe9  a\x85 b"   \r\n\r\nmotor-bike 10 "x"\n')
    assert read_sentences(file, 'latin-1') == {'motorbike': [('2', ' café a b'), ('10', 'x')]}
    with pytest.raises(ValueError, match='expected utf-8 text'):
        read_sentences(file, 'utf-8')
    file.write_text('blackswan "no id"\n')
    with pytest.raises(ValueError, match='line 1: expected sequence, object id'):
        read_sentences(file, 'utf-8')


def test_a_text_file_that_lacks_an_object_is_refused(root):
    file = root / 'davis_text_annotations' / 'Davis17_annot2.txt'
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b''.join(line for line in lines if not line.startswith(b'kite-surf 2')))
    with pytest.raises(ValueError, match="'kite-surf' needs sentences about the same objects in all four"):
        _dataset(root)
    assert len(_dataset(root, split='train').videos) == 3
    file.unlink()
    with pytest.raises(FileNotFoundError, match='text annotations are missing'):
        _dataset(root)


def test_refused(root):
    with pytest.raises(ValueError, match="split 'test'"):
        _dataset(root, split='test')
    with pytest.raises(ValueError, match="task 'both'"):
        _dataset(root, task='both')
    with pytest.raises(ValueError, match='annotator 4'):
        _dataset(root, annotator=4)
    (root / 'meta_expressions').mkdir()
    with pytest.raises(ValueError, match='has the unsupervised annotations only'):
        _dataset(root, task='semi-supervised')
