"""RefCOCO, Ref-DAVIS17, A2D, JHMDB and Locater's sets as the official readers gave them, field by field."""

import json
import shutil
from pathlib import Path

import pytest

from mmlvs.datasets.official import VIEWS
from mmlvs.datasets.official.common import bert_ids, differences, find_vocabulary

SAMPLES = Path(__file__).parents[2] / 'data' / 'samples'
READERS = [('a2d_sentences', 'mttr'), ('a2d_sentences', 'referformer'), ('a2d_sentences', 'lavt_rs'),
           ('jhmdb_sentences', 'mttr'), ('jhmdb_sentences', 'referformer'), ('locater', 'locater'),
           ('ref-davis', 'referformer'), ('ref-davis', 'davis_class'), ('ref-davis', 'converted_files'),
           ('refer_data', 'lavt_ris'), ('refer_data', 'referformer')]


def _view(name, reader, root=None, **options):
    return json.loads(json.dumps(VIEWS[name, reader](root or SAMPLES / name, **options)))


def _expected(name, reader):
    return json.loads((SAMPLES / name / 'expected.json').read_text())[reader]


@pytest.mark.parametrize('name, reader', READERS)
def test_view_is_what_the_official_reader_returned(name, reader, bert_vocabulary):
    bert_vocabulary(reader)
    assert not list(differences(_view(name, reader), _expected(name, reader)))


def test_differences_are_found():
    expected = _expected('a2d_sentences', 'mttr')
    ours = _view('a2d_sentences', 'mttr')
    item = ours['subsets']['test/window8']['items'][3]
    item['masks'][0]['md5'], item['mean_rgb_0_255'][1] = 'x', item['mean_rgb_0_255'][1] + 2
    assert len(list(differences(ours, expected))) == 2


def test_splits_clip_lengths_and_limits(bert_vocabulary):
    bert_vocabulary('lavt_ris')
    view = _view('a2d_sentences', 'mttr', split='train', num_frames=5)
    want = _expected('a2d_sentences', 'mttr')
    assert view['subsets'] == {'train/window5': want['subsets']['train/window5']}
    view = _view('locater', 'locater', split='MUL', num_frames=1, limit=2)['sets']
    assert list(view) == ['A2D/MUL/N1=1'] and view['A2D/MUL/N1=1']['len'] == 3
    assert len(view['A2D/MUL/N1=1']['items']) == 2
    view = _view('refcocog_google', 'lavt_ris', root=SAMPLES / 'refer_data', split='val')['sets']
    assert view == {'refcocog/google/val': _expected('refer_data', 'lavt_ris')['sets']['refcocog/google/val']}
    view = _view('refcoco+', 'referformer', root=SAMPLES / 'refer_data', split='testA')
    assert list(view['converted']) == ['instances_refcoco+_testA.json'] and list(view['sets']) == ['refcoco+/testA']
    view = _view('ref-davis', 'referformer', split='valid', num_frames=5)['sets']
    assert list(view) == ['valid'] and view['valid']['len'] == 4 + 12 * 2
    assert len(view['valid']['seeded_clips'][0]['frames_idx']) == 5
    view = _view('jhmdb_sentences', 'mttr', num_frames=6, limit=1)['windows']['6']
    assert view['len'] == 6 and [len(item['frames_1based']) for item in view['items']] == [6]


def test_a_converted_ref_davis_gives_the_same_items(tmp_path):
    from mmlvs.datasets.ref_davis import convert_annotations
    raw = SAMPLES / 'ref-davis'
    for split in ('train', 'valid'):
        expressions, meta = convert_annotations(raw, split)
        (tmp_path / 'meta_expressions' / split).mkdir(parents=True)
        (tmp_path / 'meta_expressions' / split / 'meta_expressions.json').write_text(json.dumps(expressions))
        for name in expressions['videos']:
            for kind, source in (('JPEGImages', 'JPEGImages'), ('Annotations', 'Annotations_unsupervised')):
                shutil.copytree(raw / 'DAVIS' / source / '480p' / name, tmp_path / split / kind / name)
        (tmp_path / split / 'meta.json').write_text(json.dumps(meta))
    got = _view('ref-davis', 'referformer', root=tmp_path)
    assert got['sets'] == _expected('ref-davis', 'referformer')['sets']


def test_an_object_that_a_text_file_lacks_shifts_the_official_pairs(tmp_path):
    root = tmp_path / 'ref-davis'
    shutil.copytree(SAMPLES / 'ref-davis', root)
    file = root / 'davis_text_annotations' / 'Davis17_annot1.txt'
    file.write_text(''.join(line for line in file.read_text().splitlines(True) if not line.startswith('kite-surf 2')))
    files = _view('ref-davis', 'converted_files', root=root, split='valid')
    rows = files['meta_expressions/valid/meta_expressions.json']['videos']['kite-surf']['expressions']
    assert len(rows) == 8 and [rows[str(k)]['obj_id'] for k in range(4, 8)] == ['3', '2', '2', '2']


def test_an_empty_mask_is_marked_as_drawn_anew(tmp_path):
    import h5py
    root = tmp_path / 'a2d'
    shutil.copytree(SAMPLES / 'a2d_sentences', root)
    with h5py.File(root / 'text_annotations/a2d_annotation_with_instances/-0AbC_dEf12/00005.h5', 'r+') as file:
        file['reMask'][0] = 0
    items = _view('a2d_sentences', 'referformer', root=root, split='test', num_frames=5)['val']['num_frames_5']['items']
    assert items[0]['resampled'] and 'masks' not in items[0] and 'resampled' not in items[2]


def test_bert_ids(bert_vocabulary):
    bert_vocabulary('lavt')
    vocabulary = find_vocabulary(Path('nowhere'))
    assert bert_ids('A  DOG, café\u200b', 8, vocabulary, clean=True) == ([101, 1037, 3899, 1010, 7668, 102, 0, 0], 6)
    assert bert_ids('a dog, café\u200b', 8, vocabulary) == ([101, 1037, 3899, 1010, 100, 102, 0, 0], 6)
    assert bert_ids('dog ' * 30, 5, vocabulary) == ([101, 3899, 3899, 3899, 3899], 5)


def test_a_missing_vocabulary_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv('MMLVS_BERT_VOCAB', str(tmp_path / 'none.txt'))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match='none.txt'):
        find_vocabulary(tmp_path / 'a' / 'b')
