import json

import pytest
from PIL import Image

from mmlvs.visualization import plot_curves, read_scalars, smooth


def write_log(path, records, tail=''):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join(json.dumps(record) for record in records) + '\n' + tail)


def test_read_scalars(tmp_path):
    log = tmp_path / '20240101' / 'vis_data' / 'scalars.json'
    write_log(log, [{'lr': 0.1, 'loss': 3.0, 'iter': 10, 'epoch': 1, 'step': 10}, {'loss': 2.0, 'step': 20},
                    {'J&F': 51.5, 'step': 20}, {'note': 'no numbers'}, {'loss': 1.5, 'step': 20}], tail='{"loss": 0.')
    expected = {'lr': [(10, 0.1)], 'loss': [(10, 3.0), (20, 1.5)], 'J&F': [(20, 51.5)]}
    assert read_scalars(log) == expected
    assert read_scalars(tmp_path) == expected


def test_validation_counts_at_the_iteration_before_it(tmp_path):
    log = tmp_path / 'vis_data' / 'scalars.json'
    write_log(log, [{'loss': 3.0, 'time': 0.5, 'iter': 10, 'step': 10}, {'J': 40.0, 'time': 9.0, 'step': 0},
                    {'loss': 2.0, 'time': 0.5, 'iter': 20, 'step': 20}, {'J': 45.0, 'time': 9.0, 'step': 1}])
    assert read_scalars(log) == {'loss': [(10, 3.0), (20, 2.0)], 'J': [(10, 40.0), (20, 45.0)],
                                 'time': [(10, 0.5), (20, 0.5)], 'val/time': [(10, 9.0), (20, 9.0)]}


def test_a_resumed_run_goes_on_where_it_resumed(tmp_path):
    for name, steps in (('20240101_000000', (10, 20, 30)), ('20240101_000001', (20, 40))):
        write_log(tmp_path / name / 'vis_data' / 'scalars.json',
                  [{'loss': float(step + int(name[-1])), 'iter': step} for step in steps])
    assert read_scalars(tmp_path) == {'loss': [(10, 10.0), (20, 21.0), (40, 41.0)]}
    assert read_scalars(tmp_path / '20240101_000000')['loss'][-1] == (30, 30.0)
    write_log(tmp_path / '20240102_000000' / 'vis_data' / 'scalars.json', [{'loss': 1.0, 'iter': 10}])
    assert read_scalars(tmp_path) == {'loss': [(10, 1.0)]}  # begun anew


def test_read_explains(tmp_path):
    with pytest.raises(FileNotFoundError, match='no log at'):
        read_scalars(tmp_path / 'scalars.json')
    with pytest.raises(FileNotFoundError, match='holds no scalars.json'):
        read_scalars(tmp_path)
    (tmp_path / 'scalars.json').write_text('broken\n{"step": 1, "loss": 2}\n')
    with pytest.raises(ValueError, match='line 1'):
        read_scalars(tmp_path / 'scalars.json')


def test_smooth():
    assert smooth([(1, 2.0), (2, 4.0), (3, 6.0)], 2) == [(1, 2.0), (2, 3.0), (3, 5.0)]
    assert smooth([], 3) == []
    with pytest.raises(ValueError, match='at least 1'):
        smooth([(1, 1.0)], 0)


def test_plot(tmp_path):
    panels = {'loss': {'train': [(1, 3.0), (2, 2.0)]}, 'J&F': {'ours': [(2, 60.0)]}}
    path = plot_curves(tmp_path / 'curve.png', panels, lines={'largest': 47.0})
    with Image.open(path) as image:
        assert image.size == (960, 720)
    with pytest.raises(ValueError, match='nothing to draw'):
        plot_curves(tmp_path / 'no.png', {'loss': {'train': []}})
    with pytest.raises(ValueError, match='no panel'):
        plot_curves(tmp_path / 'no.png', panels, panel_of_lines='F')
    assert not (tmp_path / 'no.png').exists()
