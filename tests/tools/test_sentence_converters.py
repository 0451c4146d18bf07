"""Converters of the raw downloads: the official result, nothing the second time, the source untouched."""

import json
import shutil

import pytest

from tests.tools.loading import ROOT, load_tool

SAMPLES = ROOT / 'tests' / 'data' / 'samples'


def _state(folder):
    return {str(p.relative_to(folder)): (p.stat().st_mtime_ns, p.stat().st_size) for p in folder.rglob('*')}


def _twice(capsys, tool, *arguments):
    """Run a converter two times; its two summaries."""
    outputs = []
    for _ in range(2):
        assert tool.main([str(a) for a in arguments]) == 0
        outputs.append(capsys.readouterr().out.splitlines()[0])
    assert outputs[1].startswith('nothing to do')
    return outputs


def test_ref_davis(tmp_path, capsys):
    root, out = SAMPLES / 'ref-davis', tmp_path / 'out'
    before = _state(root)
    tool = load_tool('dataset_converters/ref_davis.py')
    first, second = _twice(capsys, tool, '--data-root', root, '--out', out)
    assert first == '46 files written, 0 already there' and second == 'nothing to do: 46 files are there'
    assert _state(root) == before
    for name, content in json.loads((root / 'expected.json').read_text())['converted_files'].items():
        assert json.loads((out / name).read_text()) == content
    mask = 'kite-surf/00003.png'
    unsupervised = root / 'DAVIS' / 'Annotations_unsupervised' / '480p' / mask
    assert (out / 'valid' / 'Annotations' / mask).read_bytes() == unsupervised.read_bytes()
    (out / 'valid' / 'JPEGImages' / 'kite-surf' / '00001.jpg').unlink()  # an interrupted run
    (out / 'valid' / 'meta.json').unlink()
    assert tool.main(['--data-root', str(root), '--out', str(out), '--mode', 'copy']) == 0
    assert capsys.readouterr().out.startswith('2 files written, 44 already there')


def test_ref_davis_with_a_missing_object(tmp_path, capsys):
    root = tmp_path / 'raw'
    shutil.copytree(SAMPLES / 'ref-davis', root)
    file = root / 'davis_text_annotations' / 'Davis17_annot1.txt'
    file.write_text(''.join(row for row in file.read_text().splitlines(True) if not row.startswith('kite-surf 2')))
    tool = load_tool('dataset_converters/ref_davis.py')
    assert tool.main(['--data-root', str(root), '--out', str(tmp_path / 'out')]) == 1
    assert "sequence 'kite-surf' needs sentences about the same objects" in capsys.readouterr().err
    assert tool.main(['--data-root', str(root), '--out', str(tmp_path / 'out'), '--cut-to-shortest']) == 0


def test_refcoco(tmp_path, capsys):
    root = SAMPLES / 'refer_data'
    before = _state(root)
    tool = load_tool('dataset_converters/refcoco.py')
    first, _ = _twice(capsys, tool, '--data-root', root, '--out', tmp_path)
    assert first == '11 files written, 0 already there' and _state(root) == before
    names = sorted(p.relative_to(root) for p in root.glob('*/instances_*.json'))
    assert names == sorted(p.relative_to(tmp_path) for p in tmp_path.rglob('*.json'))
    for name in names:
        assert json.loads((tmp_path / name).read_text()) == json.loads((root / name).read_text())
    assert tool.main(['--data-root', str(tmp_path), '--out', str(tmp_path)]) == 1
    assert 'references are missing' in capsys.readouterr().err


def test_a2d_sentences(tmp_path, capsys):
    root = tmp_path / 'a2d'
    shutil.copytree(SAMPLES / 'a2d_sentences', root)
    built = sorted(root.glob('a2d_sentences_*.json'))
    want = {file.name: json.loads(file.read_text()) for file in built}
    for file in built:
        file.unlink()
    before = _state(root / 'Release') | _state(root / 'text_annotations')
    tool = load_tool('dataset_converters/a2d_sentences.py')
    first, _ = _twice(capsys, tool, '--data-root', root, '--frames')
    assert first == '6 files written, 0 already there'
    assert {file.name: json.loads(file.read_text()) for file in root.glob('a2d_sentences_*.json')} == want
    assert _state(root / 'Release') | _state(root / 'text_annotations') == before
    assert [len(list(f.iterdir())) for f in sorted((root / 'frames').iterdir())] == [20, 9, 30]
    (root / 'a2d_sentences_single_frame_train_annotations.json').write_text('[]')
    assert tool.main(['--data-root', str(root)]) == 1
    assert 'exists and differs' in capsys.readouterr().err


@pytest.mark.parametrize('draw', [False, True])
def test_jhmdb_sentences(tmp_path, capsys, draw):
    root = tmp_path / 'jhmdb_sentences'
    shutil.copytree(SAMPLES / 'jhmdb_sentences', root)
    names = ['jhmdb_sentences_gt_annotations_in_coco_format.json', 'jhmdb_sentences_samples_metadata.json']
    want = [json.loads((root / name).read_text()) for name in names]
    for name in names[:1 + draw]:
        (root / name).unlink()
    tool = load_tool('dataset_converters/jhmdb_sentences.py')
    if draw:
        assert tool.main(['--data-root', str(root)]) == 1
        assert 'the list of evaluated frames is missing' in capsys.readouterr().err
    _twice(capsys, tool, '--data-root', root, *(['--draw'] if draw else []))
    assert [json.loads((root / name).read_text()) for name in names] == want
