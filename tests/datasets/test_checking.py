"""What the check of a data set finds, one thing at a time."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmlvs.datasets.checked_sets import SETS
from mmlvs.datasets.checking import check_split, clashing_videos, duplicate_keys
from mmlvs.datasets.problems import accept_each, collect_problems, refuse

SAMPLES = Path(__file__).parents[1] / 'data' / 'samples'


@pytest.fixture
def copy_of(tmp_path):
    def make(name):
        return Path(shutil.copytree(SAMPLES / name, tmp_path / name))
    return make


def _check(name, root, split):
    checked = SETS[name]
    return check_split(split, checked.parts(root)[split], files=checked.files(root, split), further=checked.further)


def _found(name, root, split):
    return [(p.kind, p.video) for p in _check(name, root, split).problems]


def _change(file, change):
    content = json.loads(file.read_text())
    change(content.get('videos', content))
    file.write_text(json.dumps(content))


def test_counts_and_notes():
    report = _check('long_rvos', SAMPLES / 'long_rvos', 'train')
    assert report.counts == dict(videos=1, expressions=3, frames=26, annotated_frames=26, objects=2, items=1)
    assert not report.problems and not report.notes


def test_annotation_files(copy_of):
    """Empty sentences, videos without frames: all of them are told, others are still checked."""
    root = copy_of('mevis')

    def change(videos):
        videos['a'] = dict(frames=[], expressions={'0': dict(exp='x', anno_id=[0])})
        videos['b'] = dict(frames=['00001', '00000'], expressions={'0': dict(exp='x', anno_id=[0])})
        videos['0c8a4f1e2b3d']['expressions']['1']['exp'] = ' '

    _change(root / 'train/meta_expressions.json', change)
    report = _check('mevis', root, 'train')
    messages = [p.message for p in report.problems]
    assert [p.kind for p in report.problems] == ['annotation'] * 3 and report.counts['videos'] == 2
    assert any("'a': lists no frames" in m for m in messages) and any('frames are not sorted' in m for m in messages)
    assert any("expression '1' is empty" in m for m in messages)


def test_instances_of_the_mask_file(copy_of):
    root = copy_of('mevis')
    _change(root / 'train/meta_expressions.json',
            lambda videos: (videos['f7e6d5c4']['expressions']['1'].update(anno_id=[3, 77]),
                            videos['0c8a4f1e2b3d']['expressions']['1'].update(anno_id=[0, 3])))
    _change(root / 'train/mask_dict.json', lambda masks: masks.update({'4': masks['4'][:3]}))
    report = _check('mevis', root, 'train')
    assert {p.kind for p in report.problems} == {'count', 'id', 'size'}
    found = [(p.kind, p.message.split(': ', 1)[1]) for p in report.problems if p.kind != 'size']
    assert [kind for kind, _ in found] == ['id', 'count', 'id', 'count']
    assert "object '77' has no masks in" in found[0][1]
    assert found[1:] == [('count', "instance '3' has codes for 4 frames, video '0c8a4f1e2b3d' has 9"),
                         ('id', "instance '3' is named by videos '0c8a4f1e2b3d' and 'f7e6d5c4'; each has its own"),
                         ('count', "instance '4' has codes for 3 frames, video 'f7e6d5c4' has 4")]
    sizes = [p.message for p in report.problems if p.kind == 'size']
    assert len(sizes) == 4 and all("object '3'" in m and 'expected (40, 72)' in m for m in sizes)


def test_keys_that_occur_twice(copy_of):
    root = copy_of('mevis')
    file = root / 'train/meta_expressions.json'
    file.write_text(file.read_text().replace('"10": {"exp"', '"1": {"exp"', 1))
    assert list(duplicate_keys(file)) == [('the object with keys 0, 1', '1')]
    assert _found('mevis', root, 'train') == [('id', '')]
    file.write_text('{')
    assert list(duplicate_keys(file)) == [] and _found('mevis', root, 'train') == [('annotation', '')]


def test_sizes_and_foreground_of_revos(copy_of):
    root = copy_of('revos')
    _change(root / 'meta_expressions_valid_.json', lambda videos: videos['JPEGImages/UVO/vB'].update(height=41))
    _change(root / 'mask_dict_foreground.json', lambda masks: masks.pop('JPEGImages/LVVIS/train/00012'))
    assert _found('revos', root, 'valid') == [('size', 'JPEGImages/UVO/vB'),
                                              ('missing mask', 'JPEGImages/LVVIS/train/00012')]
    (root / 'mask_dict_foreground.json').unlink()
    report = _check('revos', root, 'train')
    assert not report.problems and 'the robustness score needs it' in report.notes[0]


def test_motions_of_long_rvos(copy_of):
    root = copy_of('long_rvos')
    np.save(root / 'motions/train/v001.npy', np.zeros((26, 2, 2, 2), np.float32))
    _change(root / 'motions/valid/frame_types.json', lambda types: types['v101'].pop())
    assert _found('long_rvos', root, 'train') == [('size', 'v001')]
    assert _found('long_rvos', root, 'valid') == [('count', 'v101')]


def test_objects_and_files_that_nothing_uses(copy_of):
    root = copy_of('ref-youtube-vos')
    shutil.copy(root / 'train/JPEGImages/1bd0a2f3c4/00020.jpg', root / 'train/JPEGImages/1bd0a2f3c4/00021.jpg')
    _change(root / 'meta_expressions/train/meta_expressions.json',
            lambda videos: videos['1bd0a2f3c4']['expressions']['0'].update(obj_id='7'))
    report = _check('ref-youtube-vos', root, 'train')
    assert [(p.kind, p.video) for p in report.problems] == [('id', '1bd0a2f3c4')]
    assert 'has no object' in report.problems[0].message
    assert any('1 files are not listed and never read: 00021.jpg' in note for note in report.notes)
    assert any("objects ['7'] are never visible" in note for note in report.notes)


def test_masks_that_are_missing_altogether(copy_of):
    root = copy_of('long_rvos')
    shutil.rmtree(root / 'valid/Annotations')
    assert _found('long_rvos', root, 'valid') == [('missing mask', '')]


def test_frames_of_several_sizes(copy_of):
    root = copy_of('davis2016')
    frame = root / 'JPEGImages/480p/dog/00001.jpg'
    Image.open(frame).resize((20, 10)).save(frame)
    assert _found('davis2016', root, 'val') == [('size', 'dog'), ('size', 'dog')]


def test_flow_by_name(tmp_path):
    for kind in ('Frame', 'Flow', 'GT'):
        (tmp_path / 'DAVIS' / 'dog' / kind).mkdir(parents=True)
        for name in ('00000', '00001'):
            Image.new('L', (8, 6)).save(tmp_path / 'DAVIS' / 'dog' / kind / f'{name}.png')
    assert _found('zero_shot', tmp_path, 'DAVIS') == []
    (tmp_path / 'DAVIS/dog/Flow/00001.png').rename(tmp_path / 'DAVIS/dog/Flow/00002.png')
    (tmp_path / 'DAVIS/dog/GT/00001.png').rename(tmp_path / 'DAVIS/dog/GT/00009.png')
    report = _check('zero_shot', tmp_path, 'DAVIS')
    assert [p.kind for p in report.problems] == ['missing video'] and 'GT' not in report.problems[0].message[:9]


def test_videos_in_two_splits(copy_of):
    root = copy_of('mevis')
    reports = [_check('mevis', root, split) for split in ('train', 'valid_u')]
    assert clashing_videos(reports) == []
    reports[1].videos.append('f7e6d5c4')
    assert [(p.kind, p.split, p.video) for p in clashing_videos(reports)] == [('id', 'train and valid_u', 'f7e6d5c4')]


def test_collecting_problems():
    def make(value):
        if value < 0:
            raise ValueError(f'{value} is negative')
        return value

    with collect_problems() as problems:
        assert accept_each(make, [(1,), (-2,), (3,), (-4,)]) == [1, 3]
        refuse(KeyError('x'))
    assert [str(p) for p in problems] == ['-2 is negative', '-4 is negative', "'x'"]
    with pytest.raises(ValueError, match='-2 is negative'):
        accept_each(make, [(1,), (-2,)])
