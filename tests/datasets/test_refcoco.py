"""RefCOCO, RefCOCO+, RefCOCOg: both forms, every rule of the class, and what it refuses."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from mmlvs.datasets import RefCOCODataset
from mmlvs.datasets.refcoco import read_references, select_references
from mmlvs.io import encode_rle

SAMPLE = Path(__file__).parents[1] / 'data' / 'samples' / 'refer_data'
LAVT = json.loads((SAMPLE / 'expected.json').read_text())['lavt_ris']['sets']
LOAD = [dict(type='LoadFrames'), dict(type='LoadMasks')]
PACK = [dict(type='PackClip')]


def _dataset(root=SAMPLE, **settings):
    return RefCOCODataset(data_root=root, **dict(dict(pipeline=LOAD + PACK), **settings))


@pytest.fixture
def root(tmp_path):
    shutil.copytree(SAMPLE, tmp_path / 'refer')
    return tmp_path / 'refer'


def _change(file, change):
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


@pytest.mark.parametrize('subset, split_by', [('refcoco', 'unc'), ('refcoco', 'google'), ('refcoco+', 'unc'),
                                              ('refcocog', 'umd'), ('refcocog', 'google')])
def test_references_of_every_division(subset, split_by):
    compared = 0
    for key, want in LAVT.items():
        name, by, split = key.split('/')
        if (name, by) != (subset, split_by) or not want['len']:
            continue
        dataset = _dataset(subset=subset, split_by=split_by, split=split, text='raw', unit='video', test_mode=True,
                           overlap='drop')
        assert len(dataset) == want['len']
        for index, row in enumerate(want['items']):
            sample = dataset[index]['data_samples']
            assert [info['raw'] for info in sample.expressions_info] == row['raw_sentences'] == sample.texts
            assert {info['ref_id'] for info in sample.expressions_info} == {row['ref_id']}
            assert Path(sample.frame_paths[0]).name == row['image_file']
            assert int(sample.gt_masks.sum()) == row['target']['area'] and sample.key_frames == [0]
            compared += 1
    assert compared >= 3


def test_training_items_are_sentences_with_the_annotated_boxes():
    dataset = _dataset()
    want = json.loads((SAMPLE / 'expected.json').read_text())['referformer']['sets']['refcoco/train']['items']
    assert len(dataset) == len(want)
    for index, row in enumerate(want):
        sample = dataset[index]['data_samples']
        assert sample.texts == [row['caption']] and sample.gt_boxes[0].tolist() == row['boxes']
        assert int(sample.gt_masks.sum()) == row['masks'][0]['area']


def test_both_forms_list_the_same_items():
    for subset in ('refcoco', 'refcoco+', 'refcocog'):
        for split in ('train', 'val'):
            pickled, converted = (_dataset(subset=subset, split=split, form=form) for form in ('refer', 'coco'))
            assert pickled.texts() == converted.texts() and len(pickled) == len(converted)
            for one, other in zip(*([d['data_samples'] for d in (s[i] for i in range(len(s)))]
                                    for s in (pickled, converted)), strict=True):
                assert one.object_ids == other.object_ids and (one.gt_masks == other.gt_masks).all()


def test_references_to_one_object_keep_their_order(root):
    def again(content):
        content['images'].append(dict(content['images'][0], id=9, caption='once more'))
        content['annotations'].append(dict(content['annotations'][0], id=9, image_id=9))
    _change(root / 'refcoco' / 'instances_refcoco_train.json', again)
    dataset = _dataset(root, form='coco')
    assert dataset.texts()[-1] == 'once more' and [v.video_id for v in dataset.videos] == [
        'refcoco_581857_1001', 'refcoco_581857_1008', 'refcoco_581857_1001_2']


def test_sentences_about_one_image_are_one_item():
    dataset = _dataset(split='train', group='image', test_mode=True)
    assert len(dataset) == 1
    sample = dataset[0]['data_samples']
    assert sample.num_expressions == 4 and sample.gt_objects == [[0], [0], [0], [1]]


def test_overlapping_parts():
    areas = {}
    for overlap in ('any', 'drop', 'count'):
        masks = _dataset(overlap=overlap)[3]['data_samples'].gt_masks
        areas[overlap] = int(masks.sum())
    assert areas == dict(any=738, drop=666, count=810)


def test_grey_images_are_read_as_rgb():
    from PIL import Image
    modes = {file.name: Image.open(file).mode for file in SAMPLE.rglob('*.jpg')}
    assert 'L' in modes.values()
    for split_by in ('unc', 'google'):
        for split in ('train', 'val', 'test'):
            dataset = _dataset(split=split, split_by=split_by, test_mode=True)
            assert all(dataset[i]['inputs']['img'].shape[:2] == (1, 3) for i in range(len(dataset)))


def test_run_length_codes_crowds_and_blank_sentences(root):
    mask = np.zeros((60, 80), np.uint8)
    mask[10:20, 30:50] = 1

    def other_form(content):
        by_id = {row['id']: row for row in content['annotations']}
        by_id[1001]['segmentation'] = [encode_rle(mask), encode_rle(mask)]
        by_id[1008]['iscrowd'] = 1
    _change(root / 'refcoco' / 'instances.json', other_form)
    references = read_references(root / 'refcoco' / 'refs(unc).p')
    references[0]['sentences'][1]['raw'] = ' '
    (root / 'refcoco' / 'refs(unc).p').write_bytes(pickle.dumps(references, protocol=0))
    dataset = _dataset(root, text='raw')
    assert dataset.texts() == ['THE LADY WITH THE BLUE SHIRT', '  blue  shirt ', 'dog on the right!']
    assert int(dataset[0]['data_samples'].gt_masks.sum()) == 200
    drawn = dataset.get_item(2)['data_samples']  # the crowd is never an item: another one is drawn
    assert drawn.object_ids == ['1001'] and drawn.gt_valid.all()
    tested = _dataset(root, text='raw', test_mode=True)[1]['data_samples']
    assert not tested.gt_valid.any() and not tested.gt_masks.any()


def test_selection_of_splits():
    rows = [dict(split=s) for s in ('train', 'testA', 'val', 'testB', 'testAB', 'test')]
    found = {s: [r['split'] for r in select_references(rows, s)] for s in ('train', 'val', 'test', 'testA', 'testB')}
    assert found == dict(train=['train'], val=['val'], test=['testA', 'testB', 'testAB', 'test'],
                         testA=['testA', 'testAB'], testB=['testB', 'testAB'])


class Evil:
    def __reduce__(self):
        return print, ('code ran',)


@pytest.mark.parametrize('content, message', [
    (pickle.dumps([dict(ref_id=0, thing=Evil())]), 'object of type builtins.print'),
    (pickle.dumps([np.int64(3)]), 'object of type numpy'),
    (pickle.dumps(dict(a=1)), 'expected a list of references'),
    (b'nonsense', 'no readable references'),
])
def test_pickles_with_anything_but_plain_types_are_refused(tmp_path, capsys, content, message):
    file = tmp_path / 'refs(unc).p'
    file.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_references(file)
    assert 'code ran' not in capsys.readouterr().out


def test_what_is_missing_is_named(root):
    with pytest.raises(ValueError, match="subset 'refcoco1'"):
        _dataset(root, subset='refcoco1')
    with pytest.raises(ValueError, match="split_by 'umd': expected one of"):
        _dataset(root, split_by='umd')
    with pytest.raises(ValueError, match='no raw sentences'):
        _dataset(root, form='coco', text='raw')
    _change(root / 'refcoco' / 'instances.json', lambda c: c['annotations'].pop(0))
    with pytest.raises(ValueError, match='instances.json has no annotation 1001'):
        _dataset(root)
    shutil.rmtree(root / 'images')
    with pytest.raises(FileNotFoundError, match='no folder of COCO images'):
        _dataset(root, form='coco')
    (root / 'refcoco' / 'refs(unc).p').unlink()
    (root / 'refcoco' / 'instances_refcoco_train.json').unlink()
    with pytest.raises(FileNotFoundError, match='references are missing'):
        _dataset(root)
