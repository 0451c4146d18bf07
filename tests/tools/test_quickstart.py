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


@pytest.mark.parametrize('method', ['referformer', 'lavt'])
@pytest.mark.parametrize('short', [False, True])
def test_config_inherits_and_names_the_data(quickstart, tmp_path, short, method):
    config = ROOT / quickstart.METHODS[method]
    path = quickstart.write_config(tmp_path, base=config, data=tmp_path / 'data', short=short, seed=3)
    found, base = Config.fromfile(path), Config.fromfile(config)
    for part, split in (('train', 'train'), ('val', 'valid'), ('test', 'test')):
        dataset = found[f'{part}_dataloader'].dataset
        assert dataset.data_root == str(tmp_path / 'data') and dataset.split == split
    assert found.randomness.seed == 3
    assert found.model == base.model
    assert (found.train_cfg.max_iters < base.train_cfg.max_iters) is short


def test_method_chooses_a_config_and_its_name(quickstart):
    def chosen(*arguments):
        config = quickstart.parse_args([*arguments]).config
        return config.name, quickstart.method_name(config)

    assert chosen() == chosen('--method', 'referformer')
    assert chosen() == ('referformer_tiny_1xb8-640i_moving-shapes-easy.py', 'ReferFormer')
    assert chosen('--method', 'lavt') == ('lavt_tiny_1xb8-640i_moving-shapes-easy.py', 'LAVT')
    other = ROOT / 'projects/word_map/configs/word-map_tiny_1xb8-200i_moving-shapes-easy.py'
    assert chosen('--method', 'lavt', '--config', str(other)) == (other.name, 'WordMap')


def test_unknown_method_names_the_known(quickstart, capsys):
    with pytest.raises(SystemExit):
        quickstart.parse_args(['--method', 'lavd'])
    message = capsys.readouterr().err
    assert 'referformer' in message and 'lavt' in message


def test_name_of_a_method_has_no_scope(quickstart, tmp_path):
    config = tmp_path / 'config.py'
    config.write_text("model = dict(type='mmlvs.LAVT')\n")
    assert quickstart.method_name(config) == 'LAVT'
    config.write_text('lr = 1\n')
    with pytest.raises(quickstart.QuickstartError, match=r'config.py has no model.type'):
        quickstart.method_name(config)


def leave_results(quickstart, work):
    """What a run leaves, but its config and its data."""
    for name in quickstart.RESULTS:
        path = work / name / 'content' if '.' not in name else work / name
        path.parent.mkdir(exist_ok=True)
        path.write_text('old')


def test_results_stay_with_their_settings(quickstart, tmp_path):
    base = tmp_path / 'base.py'

    def kept(config=base, seed=0):
        quickstart.write_config(tmp_path, base=config, data=tmp_path / 'data', short=False, seed=seed)
        found = {(tmp_path / name).exists() for name in quickstart.RESULTS}
        leave_results(quickstart, tmp_path)
        assert len(found) == 1  # all or none
        return found.pop()

    (tmp_path / 'data').mkdir()
    base.write_text("model = dict(type='LAVT')\n")
    assert not kept()
    assert kept()
    assert not kept(seed=1)
    assert not kept()
    assert not kept(ROOT / quickstart.METHODS['lavt'])
    assert not kept(ROOT / quickstart.METHODS['referformer'])
    assert not kept()
    base.write_text("# The same settings.\nmodel = dict(type='LAVT')\n")
    assert kept()
    base.write_text("model = dict(type='LAVT', max_expressions=2)\n")
    assert not kept()
    assert (tmp_path / 'data').is_dir()


@pytest.mark.parametrize('config', [None, 'data_root = "mine"\n'])
def test_folders_of_others_are_left_alone(quickstart, tmp_path, config):
    leave_results(quickstart, tmp_path)
    if config:
        (tmp_path / 'config.py').write_text(config)
    with pytest.raises(quickstart.QuickstartError, match='train is not of a quickstart in this folder'):
        quickstart.write_config(
            tmp_path, base=ROOT / quickstart.METHODS['lavt'], data=tmp_path / 'data', short=True, seed=0)
    assert all((tmp_path / name).exists() for name in quickstart.RESULTS)
    assert not config or (tmp_path / 'config.py').read_text() == config


def test_training_is_named_after_its_method(quickstart, tmp_path, monkeypatch):
    def run(title, log, command):
        titles.append(title)
        (tmp_path / 'train' / 'iter_8.pth').touch()
        (tmp_path / 'train' / 'iter_12.pth').touch()

    titles = []
    monkeypatch.setattr(quickstart, 'run', run)
    (tmp_path / 'train').mkdir()
    assert quickstart.train(tmp_path, tmp_path / 'config.py', 'LAVT').name == 'iter_12.pth'
    assert titles == ['training LAVT from random weights']


def test_failure_shows_the_end_of_the_output(quickstart, tmp_path):
    script = tmp_path / 'tool.py'
    script.write_text('import sys\nprint("first")\nsys.exit("the reason")\n')
    with pytest.raises(quickstart.QuickstartError, match=r'(?s)testing failed with code 1.*tool.log.*the reason'):
        quickstart.run('testing', tmp_path / 'tool.log', [script])
    assert (tmp_path / 'tool.log').read_text() == 'first\nthe reason\n'


def test_missing_config_is_explained(quickstart, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(quickstart, 'make_data', lambda work, **settings: pytest.fail('too late'))
    assert quickstart.main(['--workdir', str(tmp_path), '--config', str(tmp_path / 'none.py')]) == 1
    assert 'no config at' in capsys.readouterr().err


def test_report(quickstart, capsys):
    scores = {f'{source}{column}': 50.0 for column in ('J', 'F', 'J&F')
              for source in ('', 'baseline_largest/', 'baseline_random/', 'baseline_all/')}
    scores['J&F'], scores['baseline_all/J&F'] = 75.25, 52.0
    quickstart.report('LAVT', scores, {'train': 60.0, 'test': 5.4}, {'contact sheet': Path('a.png')}, short=False)
    text = capsys.readouterr().out
    assert 'LAVT is +23.2 points' in text or 'LAVT is +23.3 points' in text
    rows = {line.split()[0]: line.split()[-1] for line in text.splitlines()[2:6]}
    assert rows == dict(LAVT='75.2', largest='50.0', random='50.0', all='52.0') and 'ReferFormer' not in text
    assert '65 s' in text and 'a.png' in text
    quickstart.report('LAVT', scores, {}, {}, short=True)
    assert 'scores mean nothing' in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(('method', 'name'), [('referformer', 'ReferFormer'), ('lavt', 'LAVT')])
def test_short_form_runs(tmp_path, method, name):
    command = [sys.executable, ROOT / 'tools' / 'quickstart.py', '--short', '--method', method, '--workdir', tmp_path]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True,
                            env={**os.environ, 'PYTHONPATH': str(ROOT)}).stdout
    assert f'training {name} from random weights' in output and f'\n  {name} ' in output
    for name in ('overlay.mp4', 'contact_sheet.png', 'scores.json', 'tables/per_expression.csv'):
        assert (tmp_path / name).stat().st_size > 0
