import csv
import re
import subprocess
import sys

import pytest

from tests.tools.loading import ROOT, SAMPLES, TINY, load_tool

SMALL = ['--config', str(TINY), '--repeats', '2', '--cfg-options', 'model.transformer.encoder_layers=1']
CLIP = ['--shape', '2', '40', '48']


@pytest.fixture(scope='module')
def benchmark():
    return load_tool('analysis_tools/benchmark.py')


def rows_of(path):
    with open(path, newline='', encoding='utf-8') as file:
        return {row['name']: row for row in csv.DictReader(file)}


def test_model_against_a_form_of_itself(benchmark, tmp_path, capsys):
    factory = tmp_path / 'forms.py'
    factory.write_text('import copy\n\ndef same(model):\n    return copy.deepcopy(model)\n')
    table = tmp_path / 'table.csv'
    assert benchmark.main(['model', *SMALL, *CLIP, '--baseline', f'{factory}:same', '--csv', str(table),
                           '--modes', 'forward', 'predict', 'train']) == 0
    text = capsys.readouterr().out
    assert 'the speed of the baseline' in text and 'torch' in text and 'cpu' in text
    rows = rows_of(table)
    assert set(rows) == {'largest relative difference', *(f'{mode}{kind}' for mode in ('forward', 'predict', 'train')
                                                          for kind in ('', ', baseline'))}
    assert float(rows['largest relative difference']['value']) == 0
    assert float(rows['train']['median_s']) > 0 and float(rows['train']['ratio']) > 0
    assert rows['train']['rounds'] == '2' and rows['train']['shape'] == '2 40 48' and rows['train']['torch']


def test_another_network_is_no_plain_form(benchmark, tmp_path, capsys):
    factory = tmp_path / 'others.py'
    factory.write_text('import copy\n\ndef other(model):\n    model = copy.deepcopy(model)\n'
                       '    model.class_heads[0].bias.data += 1\n    return model\n')
    assert benchmark.main(['model', *SMALL, *CLIP, '--baseline', f'{factory}:other']) == 1
    assert 'not the same network' in capsys.readouterr().err


def test_the_command_finds_plain_forms_that_share_code(tmp_path):
    command = [sys.executable, 'tools/analysis_tools/benchmark.py', 'model', '--config',
               'configs/lavt/lavt_tiny_1xb8-640i_moving-shapes-easy.py', '--baseline', 'plain', '--shape', '1', '40',
               '48', '--modes', 'forward', '--repeats', '1', '--warmup', '0']
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    assert 'largest relative difference' in run.stdout


@pytest.mark.parametrize(('baseline', 'message'), [
    ('nothing', 'expected a config'), ('no/file.py', 'there is no config'), ('no/file.py:same', 'there is no file'),
])
def test_unknown_baseline_is_explained(benchmark, capsys, baseline, message):
    assert benchmark.main(['model', *SMALL, *CLIP, '--baseline', baseline]) == 1
    assert message in capsys.readouterr().err


def test_missing_plain_form_is_explained(benchmark, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(benchmark, 'ROOT', tmp_path)
    assert benchmark.main(['model', *SMALL, *CLIP, '--baseline', 'plain']) == 1
    assert 'the plain form of this method' in capsys.readouterr().err


def test_texts(benchmark, capsys, tmp_path):
    assert benchmark.main(['texts', *SMALL, *CLIP, '--texts', '1', '3', '--csv', str(tmp_path / 'table.csv')]) == 0
    rows = rows_of(tmp_path / 'table.csv')
    b, t = (float(rows[name]['median_s']) for name in ('b: once a clip', 't: once a text'))
    assert 0 < b < float(rows['1 text']['high_s']) + 1 and t > 0
    assert float(rows['cost of 3 texts']['ideal']) == pytest.approx((b + 3 * t) / (b + t))
    assert float(rows['   of it the backbone']['median_s']) < b
    assert rows['3 texts']['against'] == '3 passes of 1 text'
    assert re.search(r'cost of 3 texts +\d+\.\d\dx .*\(b \+ 3 t\) / \(b \+ t\) = ', capsys.readouterr().out)


def test_dataset(benchmark, capsys, tmp_path):
    config = tmp_path / 'config.py'
    config.write_text(f"""train_dataloader = dict(dataset=dict(
    type='RefYouTubeVOSDataset', data_root={str(SAMPLES)!r}, clip_length=3, pipeline=[
        dict(type='SampleLocalGlobalFrames', num_frames=3), dict(type='LoadFrames'), dict(type='LoadMasks'),
        dict(type='MarkVisible'), dict(type='PackClip')]))
""")
    command = ['dataset', '--config', str(config), '--items', '4', '--csv', str(tmp_path / 'table.csv')]
    assert benchmark.main([*command, '--baseline', str(config)]) == 0
    rows = rows_of(tmp_path / 'table.csv')
    assert {'item', 'item, baseline', '  2. LoadFrames', '  5. PackClip'} <= set(rows)
    assert rows['item']['rounds'] == '4' and float(rows['item']['per_second']) > 0
    assert '% of the pipeline' in capsys.readouterr().out
    assert benchmark.main([*command, '--split', 'val']) == 1
    assert 'has no val_dataloader' in capsys.readouterr().err


def test_reading_against_the_plain_form(benchmark, capsys, tmp_path, monkeypatch):
    config = tmp_path / 'config.py'
    config.write_text(f"""train_dataloader = dict(dataset=dict(type='ConcatVideoDataset', datasets=[
    dict(type='RefYouTubeVOSDataset', data_root={str(SAMPLES)!r}, pipeline=[dict(type='LoadFrames')]),
    dict(type='MeViSDataset', data_root={str(SAMPLES.parent / 'mevis')!r}, clip_length=3)]))
""")
    command = ['dataset', '--config', str(config), '--items', '3', '--clip-length', '2', '--baseline', 'plain']
    assert benchmark.main([*command, '--csv', str(tmp_path / 'table.csv')]) == 0
    rows = rows_of(tmp_path / 'table.csv')
    assert set(rows) == {f'{name} train, {sentences}{form}' for name in ('Ref-YouTube-VOS', 'MeViS')
                         for sentences in ('all sentences', 'one sentence') for form in ('', ', plain')}
    row = rows['MeViS train, all sentences']
    assert row['against'] == 'the plain form' and float(row['ratio']) > 0 and row['unit'] == 'clips/s'
    assert 'pixel-equal' in capsys.readouterr().out
    monkeypatch.setattr(benchmark, 'ROOT', tmp_path)
    assert benchmark.main(command) == 1
    assert 'the plain form of reading' in capsys.readouterr().err


def test_metrics(benchmark, capsys):
    assert benchmark.main(['metrics', '--shape', '2', '60', '80', '--repeats', '1']) == 0
    assert 'the speed of cv2.dilate on whole frames' in capsys.readouterr().out


def test_stream(benchmark, capsys, tmp_path):
    assert benchmark.main(['stream', '--config', str(TINY), '--shape', '40', '48', '--frames', '12', '--clip-length',
                           '2', '--csv', str(tmp_path / 'table.csv')]) == 0
    assert 'by quarters of the video' in capsys.readouterr().out
    rows = rows_of(tmp_path / 'table.csv')
    assert float(rows['clip 5']['peak_mib']) > 0 and rows['clip']['rounds'] == '5'
    assert benchmark.main(['stream', '--config', str(TINY), '--frames', '6', '--clip-length', '2']) == 1
    assert 'at least 4' in capsys.readouterr().err


def test_flow(benchmark, capsys, tmp_path):
    config = ROOT / 'configs/isomer/isomer_tiny_1xb2-2000i_real-clips.py'
    command = ['flow', '--shape', '2', '64', '72', '--repeats', '2', '--device', 'cpu']
    assert benchmark.main([*command, '--config', str(config), '--csv', str(tmp_path / 'table.csv'),
                           '--cfg-options', 'model.flow.preset=ultrafast']) == 0
    text = capsys.readouterr().out
    assert 'DISFlow (preset ultrafast)' in text and 'opencv threads' in text and 'b / a' in text
    rows = rows_of(tmp_path / 'table.csv')
    assert rows['largest difference of maps']['value'] in ('0', '1') and rows['b / a']['shape'] == '2 64 72'
    assert rows['b: raw video, flow on the way']['rounds'] == '2' and float(rows['b / a']['value']) > 0
    assert benchmark.main([*command, '--config', str(TINY)]) == 1
    assert 'computes no optical flow' in capsys.readouterr().err


def test_verdict_on_memory(benchmark):
    mib = 2**20
    assert benchmark.describe_memory([500 * mib] * 8).endswith('flat')
    assert 'GROWS by 60 MiB' in benchmark.describe_memory([(500 + 10 * clip) * mib for clip in range(8)])


def test_refused_arguments(benchmark, capsys):
    with pytest.raises(SystemExit):
        benchmark.main(['model', '--repeats', '0'])
    assert '--repeats 0: expected at least 1' in capsys.readouterr().err
