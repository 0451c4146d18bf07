import json

import pytest
from PIL import Image

from tests.tools.loading import load_tool


@pytest.fixture(scope='module')
def tool():
    return load_tool('analysis_tools/analyze_logs.py')


def write_run(folder, name, steps, time=0.5):
    log = folder / name / 'vis_data' / 'scalars.json'
    log.parent.mkdir(parents=True)
    records = []
    for step in steps:
        records.append(dict(loss=100.0 / step, lr=0.1, time=time if step > 10 else 9.0, data_time=0.1, iter=step,
                            step=step))
    records.append({'valid/J&F': 50.0 + max(steps), 'time': 7.0, 'data_time': 3.0, 'step': 0})
    log.write_text('\n'.join(map(json.dumps, records)) + '\n')
    return log


@pytest.fixture
def work(tmp_path):
    write_run(tmp_path / 'work', '20240101_000000', range(10, 60, 10))
    write_run(tmp_path / 'work', '20240102_000000', range(40, 90, 10), time=1.0)  # resumed from 30
    return tmp_path / 'work'


def test_plot(tool, work, tmp_path, capsys):
    single = write_run(tmp_path / 'other', '20240103_000000', range(10, 40, 10))
    out = tmp_path / 'curves.png'
    assert tool.main(['plot_curve', str(work), str(single), '--keys', 'loss', 'valid/J&F', '--smooth', '2', '--out',
                      str(out)]) == 0
    with Image.open(out) as image:
        assert image.size == (960, 720)
    assert f'written to {out}' in capsys.readouterr().out
    assert tool.names_of([str(work), str(single)]) == ['work', 'other']


def test_a_log_without_the_key_is_noted(tool, work, tmp_path, capsys):
    log = tmp_path / 'old.json'
    log.write_text('{"loss": 1.0, "iter": 1}\n')
    command = ['plot_curve', str(work), str(log), '--out', str(tmp_path / 'a.svg'), '--legend', 'new', 'old', '--keys']
    assert tool.main([*command, 'lr']) == 0
    assert "note: old has no 'lr'" in capsys.readouterr().out
    assert tool.main([*command, 'los']) == 1
    assert "did you mean 'loss'?" in capsys.readouterr().err


def test_train_time(tool, work, capsys):
    assert tool.main(['cal_train_time', str(work)]) == 0
    text = capsys.readouterr().out
    # 20 and 30 of the first run, 40 to 80 of the one that resumed it; the first entry and validations left out
    assert '7 entries up to iteration 80' in text and 'mean 0.8571 s' in text and 'median 1.0000 s' in text
    assert 'waiting for data: 0.1000 s a step, 11.7 %' in text
    assert tool.main(['cal_train_time', str(work), '--include-outliers']) == 0
    assert '8 entries' in (text := capsys.readouterr().out) and 'slowest entry: 9.0000 s at iteration 10' in text


@pytest.mark.parametrize('arguments, message', [
    (['plot_curve', 'a', 'b', '--legend', 'x'], '--legend gives 1 names for 2 logs'),
    (['plot_curve', 'a', '--smooth', '0'], '--smooth 0'), (['plot_curve', 'a', '--out', 'a.txt'], '--out a.txt'),
])
def test_refused_arguments(tool, capsys, arguments, message):
    with pytest.raises(SystemExit):
        tool.main(arguments)
    assert message in capsys.readouterr().err


def test_missing_log(tool, tmp_path, capsys):
    assert tool.main(['cal_train_time', str(tmp_path)]) == 1
    assert 'holds no scalars.json' in capsys.readouterr().err
