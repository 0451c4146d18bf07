"""Ref-YouTube-VOS, MeViS, ReVOS, Long-RVOS and DAVIS-16 as the official readers gave them, and on altered samples."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmlvs.datasets.official import VIEWS
from mmlvs.datasets.official.common import differences
from mmlvs.io import encode_rle

SAMPLES = Path(__file__).parents[2] / 'data' / 'samples'
READERS = [('ref-youtube-vos', 'referformer'), ('ref-youtube-vos', 'mttr'), ('ref-youtube-vos', 'lavt_rs'),
           ('davis2016', 'plain'), ('mevis', 'referdino'), ('mevis', 'samwise'), ('mevis', 'sa2va_eval'),
           ('mevis', 'sa2va_train'), ('revos', 'sa2va_eval'), ('revos', 'sa2va_train'),
           ('revos', 'sa2va_valid_masks'), ('long_rvos', 'long_rvos')]


def _view(name, reader, root=None, **options):
    return json.loads(json.dumps(VIEWS[name, reader](root or SAMPLES / name, **options)))


def _expected(name, reader):
    return json.loads((SAMPLES / name / 'expected.json').read_text())[reader]


@pytest.fixture
def copy_of(tmp_path):
    def make(name):
        return Path(shutil.copytree(SAMPLES / name, tmp_path / name))
    return make


def _change(file, change):
    content = json.loads(file.read_text())
    change(content.get('videos', content))
    file.write_text(json.dumps(content))


@pytest.mark.parametrize('name, reader', READERS)
def test_view_is_what_the_official_reader_returned(name, reader, bert_vocabulary):
    bert_vocabulary(reader)
    assert not list(differences(_view(name, reader), _expected(name, reader)))


def test_differences_are_found():
    ours, theirs = _view('mevis', 'samwise'), _expected('mevis', 'samwise')
    ours['items'][3]['masks'][0]['md5'] = 'x'
    del ours['items'][4]['caption']
    ours['items'].append({})
    assert len(list(differences(ours, theirs))) == 1  # another length is one difference
    ours['items'].pop()
    assert sorted(differences(ours, theirs))[1] == '/items[4]/caption: only in theirs'


def test_clip_lengths_splits_and_limits():
    want = _expected('ref-youtube-vos', 'referformer')
    view = _view('ref-youtube-vos', 'referformer', num_frames=5, limit=3)
    assert view['num_frames_5'] == dict(len=15, metas=want['num_frames_5']['metas'][:3]) and 'num_frames_1' not in view
    assert view['seeded_clips'] == [c for c in want['seeded_clips'] if c['num_frames'] == 5][:3]
    want = _expected('ref-youtube-vos', 'mttr')['subsets']
    assert _view('ref-youtube-vos', 'mttr', split='train', num_frames=4)['subsets'] == {
        'train/window4': want['train/window4']}
    assert list(_view('mevis', 'sa2va_eval', split='valid')) == ['class', 'note', 'valid']
    assert list(_view('davis2016', 'plain', split='trainval', limit=5)['sets']['trainval']) == ['bear', 'blackswan']
    with pytest.raises(ValueError, match='name no object, so this reader has no samples here; choose the train split'):
        _view('ref-youtube-vos', 'referformer', split='valid')


def test_order_of_frames_and_mode_of_masks_do_not_matter(copy_of, bert_vocabulary):
    bert_vocabulary('lavt_rs')
    root = copy_of('ref-youtube-vos')
    file = root / 'meta_expressions' / 'train' / 'meta_expressions.json'
    _change(file, lambda videos: [video['frames'].reverse() for video in videos.values()])
    for png in (root / 'train' / 'Annotations').rglob('*.png'):
        Image.fromarray(np.array(Image.open(png))).save(png)  # grey with the index as value
    for reader in ('referformer', 'mttr', 'lavt_rs'):
        assert not list(differences(_view('ref-youtube-vos', reader, root), _expected('ref-youtube-vos', reader)))


def test_very_short_video(copy_of, bert_vocabulary):
    bert_vocabulary('lavt_rs')
    """Two frames: the official sampling of 8 frames fails, LAVT-RS repeats them."""
    root = copy_of('ref-youtube-vos')
    file = root / 'meta_expressions' / 'train' / 'meta_expressions.json'
    _change(file, lambda videos: videos['1bd0a2f3c4'].update(frames=['00020', '00015']))
    clips = _view('ref-youtube-vos', 'referformer', root)['seeded_clips_num_frames_8']
    assert ['error' in clip for clip in clips] == [False] * 4 + [True] + [False] * 4
    assert 'too short' in clips[4]['error']
    item = _view('ref-youtube-vos', 'lavt_rs', root)['num_frames_8_seeded'][4]
    assert len(item['frames_idx']) == 8 and set(item['frames_idx']) == {0, 1} and item['video'] == '1bd0a2f3c4'


def test_mevis_without_instances(copy_of):
    """Version 2: expressions of nothing and unknown keys; an instance without any code; a list that ends early."""
    root = copy_of('mevis')

    def change(videos):
        rows = videos['f7e6d5c4']['expressions']
        rows['0'].update(anno_id=[], obj_id=[], audio='a.wav')
        rows['1'].update(anno_id=[9], obj_id=[5])
        del rows['10']['anno_id'], rows['10']['obj_id']

    _change(root / 'train' / 'meta_expressions.json', change)

    def change_masks(masks):
        masks['9'] = [None] * 4
        masks['3'] = masks['3'][:2]

    _change(root / 'train' / 'mask_dict.json', change_masks)
    items = _view('mevis', 'referdino', root)['num_frames_1'][36:]
    assert [item.get('resampled', False) for item in items] == [True] * 12 + [False, False, True, True]
    assert items[0]['anno_id'] == [] and items[4]['anno_id'] == ['9']
    train = _view('mevis', 'sa2va_train', root)['items'][4:]
    assert [item['areas'] for item in train] == [[0] * 4, [0] * 4, [0] * 4, [185, 458, 0, 0]]
    assert 'md5' not in train[0] and train[1]['values'] == [0] and train[2]['mask_anno_id'] == []


def test_overlapping_instances_add_up_or_join(copy_of):
    root = copy_of('mevis')
    mask = np.zeros((40, 72), dtype=bool)
    mask[5:20, 10:30] = True
    _change(root / 'train' / 'mask_dict.json',
            lambda masks: masks.update({k: [encode_rle(mask)] * 9 for k in ('0', '1', '2')}))
    item = _view('mevis', 'referdino', root, limit=10)['num_frames_1'][9]
    assert item['masks'][0]['values'] == [0, 3] and item['masks'][0]['area'] == 300
    assert item['boxes'] == [[10.0, 5.0, 29.0, 19.0]]
    assert _view('mevis', 'sa2va_train', root)['items'][1]['values'] == [0, 1]


def test_revos_packed_without_the_folder_in_the_ids(copy_of):
    root = copy_of('revos')
    name = 'meta_expressions_valid_.json'

    def change(videos):
        for video in list(videos):
            videos[video.removeprefix('JPEGImages/')] = videos.pop(video)

    _change(root / name, change)
    want = _expected('revos', 'sa2va_eval')['valid']
    view = _view('revos', 'sa2va_eval', root)['valid']
    assert view['videos'] == ['UVO/vB', 'LVVIS/train/00012']
    assert [i['ori_height'] for i in view['items']] == [i['ori_height'] for i in want['items']]


def test_long_rvos_key_frames(copy_of):
    """A group of another length and the last one give no key frame; a video with too few keys gives no sample."""
    root = copy_of('long_rvos')
    _change(root / 'motions' / 'train' / 'frame_types.json',
            lambda types: types.update(v001=['I'] + ['P'] * 10 + ['I'] + ['P'] * 11 + ['I'] + ['P'] * 2))
    sets = _view('long_rvos', 'long_rvos', root)['sets']
    assert [entry['len'] for entry in sets.values()] == [3, 0]
    assert sets['num_frames_1_sampling_step_1']['items'][1]['key_frames'] == [11]


def test_davis2016_lists_and_masks(copy_of):
    """Without leading slashes, with blank lines; palette and colour files that are grey; soft values."""
    root = copy_of('davis2016')
    file = root / 'ImageSets' / '480p' / 'train.txt'
    file.write_text('\n' + file.read_text().replace(' /', '   ').replace('/JPEG', 'JPEG').replace('\n', '\r\n') + '\n')
    mask = root / 'Annotations' / '480p' / 'bear' / '00000.png'
    values = np.array(Image.open(mask))
    Image.fromarray(np.stack([values] * 3, axis=-1)).save(mask)
    other = mask.with_name('00001.png')
    soft = np.array(Image.open(other)) // 2
    Image.fromarray(soft).save(other)
    rows = _view('davis2016', 'plain', root)['sets']['train']['bear']
    want = _expected('davis2016', 'plain')['sets']['train']['bear']
    assert [row['md5'] for row in rows] == [row['md5'] for row in want]
    assert rows[0]['image'] == 'JPEGImages/480p/bear/00000.jpg' and rows[1]['values'] == [0, 127]
