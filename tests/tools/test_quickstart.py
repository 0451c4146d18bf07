import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def quickstart():
    spec = importlib.util.spec_from_file_location('quickstart_tool', ROOT / 'tools' / 'quickstart.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_progress_of_a_log_line(quickstart):
    line = ('11/21 03:11:24 - mmengine - INFO - Iter(train) [ 20/400]  lr: 5.2632e-04  eta: 0:01:05  time: 4.5479  '
            'data_time: 0.0637  grad_norm: 21.4753  loss: 15.1550  loss_ce: 1.1672\n')
    assert quickstart.progress(line) == 'iteration 20 of 400, loss 15.1550, 0:01:05 left'
    assert quickstart.progress(line.replace('(train)', '(val)')) == ''
    assert quickstart.progress('another line of the log') == ''
    assert quickstart.progress(line.replace('loss: 15.1550', 'loss: nan')).endswith('loss nan, 0:01:05 left')


@pytest.mark.parametrize('short', [False, True])
def test_config_inherits_and_names_the_data(quickstart, tmp_path, short):
    path = quickstart.write_config(tmp_path, base=ROOT / quickstart.CONFIG, data=tmp_path / 'data', short=short, seed=3)
    found, base = Config.fromfile(path), Config.fromfile(ROOT / quickstart.CONFIG)
    for part, split in (('train', 'train'), ('val', 'valid'), ('test', 'test')):
        dataset = found[f'{part}_dataloader'].dataset
        assert dataset.data_root == str(tmp_path / 'data') and dataset.split == split
    assert found.randomness.seed == 3
    assert found.model == base.model
    assert (found.train_cfg.max_iters < base.train_cfg.max_iters) is short


def test_other_settings_drop_old_checkpoints(quickstart, tmp_path):
    arguments = dict(base=ROOT / quickstart.CONFIG, data=tmp_path / 'data', short=True)
    quickstart.write_config(tmp_path, seed=0, **arguments)
    checkpoint = tmp_path / 'train' / 'iter_5.pth'
    checkpoint.parent.mkdir()
    checkpoint.touch()
    quickstart.write_config(tmp_path, seed=0, **arguments)
    assert checkpoint.exists()
    quickstart.write_config(tmp_path, seed=1, **arguments)
    assert not checkpoint.exists()


def test_failure_shows_the_end_of_the_output(quickstart, tmp_path):
    script = tmp_path / 'tool.py'
    script.write_text('import sys\nprint("first")\nsys.exit("the reason")\n')
    with pytest.raises(quickstart.QuickstartError, match=r'(?s)testing failed with code 1.*tool.log.*the reason'):
        quickstart.run('testing', tmp_path / 'tool.log', [script])
    assert (tmp_path / 'tool.log').read_text() == 'first\nthe reason\n'


def test_missing_config_is_explained(quickstart, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(quickstart, 'make_data', lambda work, **settings: work)
    assert quickstart.main(['--workdir', str(tmp_path), '--config', str(tmp_path / 'none.py')]) == 1
    assert 'no config at' in capsys.readouterr().err


def test_report(quickstart, capsys):
    scores = {f'{source}{column}': 50.0 for column in ('J', 'F', 'J&F')
              for source in ('', 'baseline_largest/', 'baseline_random/', 'baseline_all/')}
    scores['J&F'], scores['baseline_all/J&F'] = 75.25, 52.0
    quickstart.report(scores, {'train': 60.0, 'test': 5.4}, {'contact sheet': Path('a.png')}, short=False)
    text = capsys.readouterr().out
    assert '+23.2 points' in text or '+23.3 points' in text
    assert '65 s' in text and 'a.png' in text
    quickstart.report(scores, {}, {}, short=True)
    assert 'scores mean nothing' in capsys.readouterr().out


@pytest.mark.slow
def test_short_form_runs(tmp_path):
    subprocess.run([sys.executable, ROOT / 'tools' / 'quickstart.py', '--short', '--workdir', tmp_path], check=True,
                   env={**os.environ, 'PYTHONPATH': str(ROOT)})
    for name in ('overlay.mp4', 'contact_sheet.png', 'scores.json', 'tables/per_expression.csv'):
        assert (tmp_path / name).stat().st_size > 0
