"""The command that checks a data set: what readers return, what is wrong, exit codes."""

import json
import shutil
from pathlib import Path

import pytest

from .loading import ROOT, load_tool

SAMPLES = ROOT / 'tests' / 'data' / 'samples'
READERS = {'ref-youtube-vos': ('referformer', 'mttr', 'lavt_rs'), 'davis2016': ('plain',),
           'mevis': ('referdino', 'samwise', 'sa2va'), 'revos': ('sa2va',), 'long_rvos': ('long_rvos',),
           'ref-davis': ('referformer',), 'a2d_sentences': ('mttr', 'referformer', 'lavt_rs'),
           'jhmdb_sentences': ('mttr', 'referformer'), 'locater': ('locater',), 'refer_data': ('lavt', 'referformer')}


@pytest.fixture(scope='module')
def tool():
    return load_tool('analysis_tools/check_dataset.py')


def _run(tool, name, root, *options):
    return tool.main([name, '--data-root', str(root), *map(str, options)])


@pytest.mark.parametrize('name, reader', [(name, reader) for name, readers in READERS.items() for reader in readers])
def test_items_are_those_of_the_official_reader(tool, tmp_path, name, reader, bert_vocabulary):
    bert_vocabulary(reader)
    root, out = SAMPLES / name, tmp_path / 'out.json'
    assert _run(tool, name, root, '--as', reader, '--json', out, '--expect', root / 'expected.json') == 0
    expected, written = (json.loads(file.read_text()) for file in (root / 'expected.json', out))
    found = [key for key in expected if key in written]
    assert found and all(key.startswith(reader) for key in found) and not written['problems']


@pytest.mark.parametrize('name', sorted(READERS))
def test_every_sample_is_sound(tool, capsys, name):
    assert _run(tool, name, SAMPLES / name) == 0
    printed = capsys.readouterr().out
    assert 'item 0: ' in printed and '0 problems: none' in printed


def test_problems_are_listed_in_full(tool, capsys, tmp_path):
    root = Path(shutil.copytree(SAMPLES / 'ref-youtube-vos', tmp_path / 'set'))
    frames, masks = root / 'train/JPEGImages/0a49f5265b', root / 'train/Annotations'
    (frames / '00010.jpg').unlink()
    (frames / '00015.jpg').write_bytes((frames / '00015.jpg').read_bytes()[:-300])
    shutil.copy(masks / '1bd0a2f3c4/00015.png', masks / '0a49f5265b/00020.png')
    (masks / 'ff02b3c4d5/00030.png').unlink()
    shutil.rmtree(root / 'valid/JPEGImages/8b7a6c5d4e')
    out = tmp_path / 'report.json'
    assert _run(tool, 'ref-youtube-vos', root, '--json', out) == 1
    report = json.loads(out.read_text())
    assert [(p['kind'], p['split'], p['video']) for p in report['problems']] == [
        ('missing frame', 'train', '0a49f5265b'), ('unreadable', 'train', '0a49f5265b'),
        ('size', 'train', '0a49f5265b'), ('missing mask', 'train', 'ff02b3c4d5'),
        ('missing video', 'valid', '8b7a6c5d4e')]
    printed = capsys.readouterr().out
    assert '5 problems:' in printed and '00010.jpg: is listed but missing' in printed
    assert _run(tool, 'ref-youtube-vos', root, '--split', 'valid') == 1
    assert '1 problems:' in capsys.readouterr().out
    assert _run(tool, 'ref-youtube-vos', root, '--split', 'train', '--quick') == 1
    assert '1 problems:' in capsys.readouterr().out  # neither decoded nor looked at masks


def test_counts_of_the_whole_set(tool, capsys):
    assert _run(tool, 'davis2016', SAMPLES / 'davis2016', '--strict', '--split', 'val') == 1
    assert '[count] val: split val: 2 videos, the whole set has 20' in capsys.readouterr().out
    assert _run(tool, 'davis2016', SAMPLES / 'davis2016', '--split', 'val') == 0


def test_a_split_without_frames_counts_only_if_it_is_asked_for(tool, capsys):
    root = SAMPLES / 'ref-youtube-vos'
    assert _run(tool, 'ref-youtube-vos', root) == 0
    assert 'split test: its frames are not here' in capsys.readouterr().out
    assert _run(tool, 'ref-youtube-vos', root, '--split', 'test') == 1
    assert 'none of 3 frames is there; unpack the video' in capsys.readouterr().out


def test_items_of_an_alias_and_limits(tool, tmp_path, capsys):
    out = tmp_path / 'out.json'
    assert _run(tool, 'long-rvos', SAMPLES / 'long_rvos', '--limit', 1, '--json', out) == 0
    item = json.loads(out.read_text())['splits']['train']['items'][0]
    assert item['video'] == 'v001' and item['expressions'][0] == dict(id='0', text='a  Ball', objects=['1'])
    assert _run(tool, 'mevis', SAMPLES / 'mevis', '--as', 'samwise', '--limit', 2) == 0
    assert 'items: 2 listed' in capsys.readouterr().out


@pytest.mark.parametrize('options, message', [
    (('mevis', SAMPLES / 'revos'), 'no annotations of mevis here'),
    (('mevis', SAMPLES / 'none'), 'there is no such folder'),
    (('mevis', SAMPLES / 'mevis', '--split', 'tset'), '--split tset: not among those on disk, train, valid_u, valid'),
    (('mevis', SAMPLES / 'mevis', '--as', 'mttr'), 'mevis has the readers referdino, sa2va_eval, sa2va_train, samwise'),
    (('mevis', SAMPLES / 'mevis', '--as', 'samwise', '--expect', SAMPLES / 'revos/expected.json'),
     'says nothing of the reader samwise')])
def test_what_there_is_not(tool, capsys, options, message):
    assert _run(tool, *options) == 1
    assert message in capsys.readouterr().err


def test_differences_from_a_recording_are_problems(tool, capsys, tmp_path):
    expected = json.loads((SAMPLES / 'mevis/expected.json').read_text())
    expected['samwise']['items'][2]['boxes'][0][1] = 0.0
    file = tmp_path / 'expected.json'
    file.write_text(json.dumps(expected))
    assert _run(tool, 'mevis', SAMPLES / 'mevis', '--as', 'samwise', '--expect', file) == 1
    assert 'differs from expected.json: samwise/items[2]/boxes[0][1]: ' in capsys.readouterr().out


def test_readers_of_a_group_that_are_for_another_split(tool, capsys, tmp_path):
    out = tmp_path / 'out.json'
    assert _run(tool, 'mevis', SAMPLES / 'mevis', '--as', 'sa2va', '--split', 'valid', '--json', out) == 0
    written = json.loads(out.read_text())
    assert 'sa2va_train' not in written and list(written['sa2va_eval'])[-1] == 'valid'
    assert 'sa2va_train is left out' in capsys.readouterr().out
    assert _run(tool, 'revos', SAMPLES / 'revos', '--as', 'sa2va', '--split', 'valid', '--json', out) == 0
    assert {'sa2va_eval', 'sa2va_valid_masks'} < set(json.loads(out.read_text()))
    assert _run(tool, 'mevis', SAMPLES / 'mevis', '--as', 'samwise', '--split', 'valid') == 1
    assert '--as samwise: ' in capsys.readouterr().out
