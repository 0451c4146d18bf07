"""Scoring a folder of PNGs from the command line: numbers, refusals with the full list, tables."""
import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mmlvs.evaluation.functional.davis import dataset_scores, evaluate_sequence, track_scores
from mmlvs.evaluation.functional.saliency import saliency_scores, saliency_summary
from mmlvs.evaluation.writers import merge_scores
from mmlvs.io.masks import read_index_png, write_index_png, write_mask_png
from mmlvs.registry import DATASETS
from tests.parity.parity import Case
from tests.tools.loading import ROOT, load_tool

DATA = ROOT / 'tests/data'
CLIPS = ROOT.parent / 'shared/real_clips'


@pytest.fixture(scope='module')
def tool():
    return load_tool('analysis_tools/eval_masks.py')


def rows_of(path):
    with open(path, newline='', encoding='utf-8') as file:
        return list(csv.DictReader(file))


def write_maps(root, maps, write=write_index_png):
    """``{folder: (T, H, W)}`` as PNG files."""
    for folder, frames in maps.items():
        for t, frame in enumerate(frames):
            write(root / folder / f'{t:05d}.png', frame)


def two_videos(seed=0):
    """Index maps of truth and prediction: two objects, one of them moved."""
    rng, truth, prediction = np.random.default_rng(seed), {}, {}
    for video, size in (('a', (40, 60)), ('b', (33, 47))):
        maps = np.zeros((5, *size), np.uint8)
        for t in range(5):
            maps[t, 5:20, 5 + t:20 + t], maps[t, 15:30, 20:40] = 1, 2
        guess = np.roll(maps, 2, axis=2)
        guess[rng.random(guess.shape) < 0.02] = 0
        truth[video], prediction[video] = maps, guess
    return truth, prediction


def test_index_maps_by_each_convention(tool, tmp_path, capsys):
    truth, prediction = two_videos()
    write_maps(tmp_path / 'gt', truth)
    write_maps(tmp_path / 'pred', prediction)
    command = ['--pred', str(tmp_path / 'pred'), '--gt', str(tmp_path / 'gt')]
    for name, task in (('davis17-semi-supervised', 'semi-supervised'), ('davis17-unsupervised', 'unsupervised')):
        assert tool.main([*command, '--convention', name, '--out', str(tmp_path / name), '--workers', '2']) == 0
        want = dataset_scores([evaluate_sequence(prediction[v], truth[v], task=task) for v in truth])
        found = rows_of(tmp_path / name / 'overall.csv')[0]
        for label in ('J-Recall', 'J-Decay', 'F-Recall', 'F-Decay'):
            assert float(found[label]) == pytest.approx(100 * want[label], abs=1e-4)
        assert float(found['J&F']) == pytest.approx(100 * want['J&F-Mean'], abs=1e-4)
        assert [row['video'] for row in rows_of(tmp_path / name / 'per_video.csv')] == ['a', 'b']
        assert len(rows_of(tmp_path / name / 'per_track.csv')) == 4
    assert tool.main([*command, '--out', str(tmp_path / 'objects')]) == 0
    found = rows_of(tmp_path / 'objects' / 'per_track.csv')
    j, _ = track_scores(prediction['a'] == 2, truth['a'] == 2)
    assert float(found[1]['J']) == pytest.approx(100 * j.mean(), abs=1e-4)
    assert len(rows_of(tmp_path / 'objects' / 'per_frame.csv')) == 20
    exact = json.loads((tmp_path / 'objects' / 'scores.json').read_text())['per_track'][1]['J']
    assert exact == pytest.approx(100 * j.mean(), abs=1e-12)
    assert (tmp_path / 'objects' / 'scores.png').stat().st_size > 1000
    assert '| video | tracks | J&F |' in (tmp_path / 'objects' / 'scores.md').read_text()
    assert '| a | 2 |' in capsys.readouterr().out
    assert tool.main([*command, '--videos', 'b']) == 0
    assert tool.main([*command, '--videos', 'z']) == 1


def test_everything_wrong_is_listed(tool, tmp_path, capsys):
    truth, prediction = two_videos()
    write_maps(tmp_path / 'gt', truth)
    write_maps(tmp_path / 'pred', prediction)
    (tmp_path / 'pred/a/00003.png').unlink()
    (tmp_path / 'pred/a/00001.png').rename(tmp_path / 'pred/a/1.png')
    write_index_png(tmp_path / 'pred/b/00002.png', prediction['b'][2].T)
    write_index_png(tmp_path / 'pred/c/00000.png', prediction['b'][2])
    (tmp_path / 'pred/notes.txt').write_text('x')
    (tmp_path / 'pred/b/00004.png').write_bytes(b'no image')
    command = ['--gt', str(tmp_path / 'gt'), '--pred']
    assert tool.main([*command, str(tmp_path / 'pred')]) == 1
    text = capsys.readouterr().err
    for line in ('a: 2 missing frames: 00001, 00003', 'a: 1 unexpected frames: 1', 'c: unexpected folder',
                 'b: size 47 x 33 (H x W), expected 33 x 47: 00002', 'notes.txt: unexpected file', 'no readable image',
                 '6 problems'):
        assert line in text
    shutil.rmtree(tmp_path / 'pred')
    write_maps(tmp_path / 'pred' / 'Annotations', prediction)
    assert tool.main([*command, str(tmp_path / 'pred')]) == 1
    assert 'score the folder Annotations instead' in capsys.readouterr().err
    write_maps(tmp_path / 'maps', prediction)
    write_maps(tmp_path / 'grey', {v: m > 0 for v, m in prediction.items()}, write_mask_png)
    assert tool.main([*command, str(tmp_path / 'grey')]) == 1
    assert 'index maps hold [255]' in capsys.readouterr().err
    assert tool.main([*command, str(tmp_path / 'maps'), '--convention', 'zvos']) == 1
    assert 'mode P, expected grey levels' in capsys.readouterr().err
    assert tool.main([*command, str(tmp_path / 'empty')]) == 1
    assert 'no such folder' in capsys.readouterr().err
    assert tool.main(['--gt', str(tmp_path / 'none'), '--pred', str(tmp_path / 'grey')]) == 1


def test_expressions_of_a_data_set(tool, tmp_path, capsys):
    root = DATA / 'samples/mevis'
    dataset = DATASETS.build(dict(type='MeViSDataset', data_root=str(root), split='valid_u', test_mode=True))
    source, tracks = dataset.mask_source(), {}
    for video in dataset.videos:
        for expression in video.expressions:
            frames = []
            for k, frame in enumerate(dataset.frame_ids_of(video)):
                masks = source.read(video.video_id, frame, k, list(expression.object_ids)).objects \
                    if expression.object_ids else np.zeros((1, *dataset.frame_size(video.video_id)), np.uint8)
                write_mask_png(tmp_path / 'pred' / video.video_id / expression.expression_id / f'{frame}.png',
                               masks.any(axis=0))
                frames.append(masks.any(axis=0))
            tracks[video.video_id, expression.expression_id] = np.stack(frames)
    command = ['--pred', str(tmp_path / 'pred'), '--dataset', 'mevis', '--data-root', str(root), '--split', 'valid_u']
    assert tool.main([*command, '--out', str(tmp_path / 'out'), '--workers', '2']) == 0
    found = rows_of(tmp_path / 'out/overall.csv')[0]
    assert float(found['J']) == float(found['F']) == 100
    assert len(rows_of(tmp_path / 'out/per_track.csv')) == len(tracks)
    shutil.rmtree(tmp_path / 'pred' / next(iter(tracks))[0] / next(iter(tracks))[1])
    assert tool.main(command) == 1
    assert 'missing' in capsys.readouterr().err


def test_soft_maps(tool, tmp_path):
    case = Case(DATA / 'parity/metrics_sod/sequences')
    videos = case.inputs['videos']
    for kind, folder in (('pred', '{}'), ('gt', '{}/GT')):
        write_maps(tmp_path / kind, {folder.format(v): case.inputs[f'{v}/{kind}'] for v in videos},
                   lambda path, frame: _write_grey(path, frame))
    command = ['--pred', str(tmp_path / 'pred'), '--gt', str(tmp_path / 'gt'), '--out', str(tmp_path / 'out')]
    assert tool.main([*command, '--convention', 'vsod-isomer']) == 0
    found = rows_of(tmp_path / 'out/overall.csv')[0]
    want = dict(zip(case.settings['protocols']['isomer_use_flow_True']['columns'],
                    case.expected()['dataset/isomer_use_flow_True'], strict=True))
    assert all(float(found[name]) == pytest.approx(value, abs=1e-4) for name, value in want.items())
    assert tool.main([*command, '--convention', 'vsod-standard']) == 0
    rows = {v: [saliency_scores(*pair) for pair in zip(case.inputs[f'{v}/pred'], case.inputs[f'{v}/gt'], strict=True)]
            for v in videos}
    found = rows_of(tmp_path / 'out/overall.csv')[0]
    assert float(found['MAE']) == pytest.approx(saliency_summary(rows)['MAE'], abs=1e-4)


def _write_grey(path, frame):
    from PIL import Image
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(frame).save(path)


def test_zero_shot_videos_of_another_size(tool, tmp_path):
    case = Case(DATA / 'parity/metrics_vos/sequences')
    write_maps(tmp_path / 'pred', {v: case.inputs[f'{v}/pred'] for v in case.inputs['videos']}, _write_grey)
    write_maps(tmp_path / 'gt', {v: case.inputs[f'{v}/gt'] * np.uint8(255) for v in case.inputs['videos']}, _write_grey)
    command = ['--pred', str(tmp_path / 'pred'), '--gt', str(tmp_path / 'gt')]
    assert tool.main([*command, '--convention', 'zvos', '--out', str(tmp_path / 'out')]) == 0
    found, want = rows_of(tmp_path / 'out/overall.csv')[0], case.expected()['isomer/head0_tail0/average']
    for row, letter in enumerate('JF'):
        assert float(found[letter]) == pytest.approx(100 * want[row, 0], abs=1e-4)
        assert float(found[f'{letter}-Recall']) == pytest.approx(100 * want[row, 1], abs=1e-4)
        assert float(found[f'{letter}-Decay']) == pytest.approx(100 * want[row, 2], abs=1e-4)


def test_annotator_sets(tool, tmp_path):
    case = Case(DATA / 'parity/metrics_rvos/ref_davis')
    write_maps(tmp_path / 'gt', {name: case.inputs[f'{name}__truth'] for name in case.inputs['sequences']})
    write_maps(tmp_path / 'pred', {f'{a}/{name}': merge_scores(case.inputs[f'{name}__{a}__scores'])
                                   for name in case.inputs['sequences'] for a in case.inputs['annotators']})
    command = ['--pred', str(tmp_path / 'pred'), '--gt', str(tmp_path / 'gt'), '--convention', 'ref-davis']
    assert tool.main([*command, '--out', str(tmp_path / 'out')]) == 0
    found = rows_of(tmp_path / 'out/overall.csv')[0]
    assert float(found['J&F']) == pytest.approx(100 * float(case.expected()['average__JF_mean']), abs=1e-3)


@pytest.mark.skipif(not CLIPS.is_dir(), reason='the real clips are not there')
def test_real_predictions(tool, tmp_path):
    clip = CLIPS / 'blackswan'
    command = ['--pred', str(clip / 'predictions_osvos'), '--gt', str(clip / 'Annotations'), '--out', str(tmp_path)]
    assert tool.main(command) == 0
    recorded = Case(CLIPS.parent / 'parity/metrics_rvos/real_osvos').expected()
    found = rows_of(tmp_path / 'per_track.csv')[0]
    for letter in 'JF':
        assert [float(found[name]) for name in (letter, f'{letter}-Recall', f'{letter}-Decay')] == pytest.approx(
            (100 * recorded[f'blackswan__1__{letter}_statistics']).tolist(), abs=1e-4)
    frame = read_index_png(sorted(Path(clip / 'Annotations/blackswan').glob('*.png'))[0])
    assert frame.shape == (480, 854)


def test_command_line(tool, tmp_path, capsys):
    assert tool.main(['--list']) == 0
    assert 'davis17-unsupervised' in capsys.readouterr().out
    for arguments in ([], ['--pred', 'x'], ['--pred', 'x', '--dataset', 'mevis'], ['--pred', 'x', '--gt', 'y',
                                                                                  '--workers', '0'],
                      ['--pred', str(tmp_path), '--gt', 'y', '--out', str(tmp_path / 'x')]):
        with pytest.raises(SystemExit):
            tool.main(arguments)
