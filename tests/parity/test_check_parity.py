"""The parity tool: a value within tolerance passes, one moved by ten tolerances fails, and nothing is let through."""
import json
import shutil
from pathlib import Path

import check_parity
import numpy as np
import pytest
from parity import BlindCase, Case, UnknownCase, moved, parse_slice, validate
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
CASES = sorted(p.parent for p in (ROOT / 'tests' / 'data' / 'parity').rglob('case.json'))
SHARED = sorted(p.parent for p in (ROOT.parent / 'shared' / 'parity').glob('*/*/case.json'))
METRIC_CASES = [p for p in CASES if p.parent.name.startswith('metrics_') or p.name.startswith('metrics_')]


def write_case(folder, outputs=None, values=None, **changes):
    """A made-up case: every kind of rule and value that the format knows."""
    folder.mkdir(parents=True, exist_ok=True)
    values = values or {
        'relative': np.linspace(-2, 1, 12, dtype=np.float32).reshape(3, 4),
        'absolute': np.array([0.0, 0.5]), 'exact': np.zeros(50), 'labels': np.arange(40, dtype=np.uint8),
        'flags': np.array([True, False]), 'holes': np.array([np.nan, 1.0]), 'nothing_known': np.array([np.nan]),
        'scalar': np.float64(0.25), 'part': np.arange(12.0).reshape(4, 3)[::2], 'zero': np.zeros(3),
        'none': np.zeros((0, 2)),
        'names': np.array(['a', 'b'])}
    rows = outputs or {
        'relative': {}, 'absolute': {'tolerance': {'compare': 'abs', 'float64': 1e-6}},
        'exact': {'tolerance': {'compare': 'equal', 'differing': 3}}, 'labels': {'tolerance': {'differing': 2}},
        'flags': {}, 'holes': {}, 'nothing_known': {}, 'scalar': {}, 'part': {'slice': '[::2]'}, 'zero': {},
        'names': {}, 'none': {}, 'table': {'file': 'outputs.json', 'key': 'table'},
        'list': {'file': 'outputs.json', 'key': 'list'}}
    np.savez(folder / 'outputs.npz', **values)
    (folder / 'outputs.json').write_text(json.dumps({'table': {'a': [1, 2]}, 'list': [0.5, None]}))
    spec = dict(schema=2, method='made_up', case=folder.name, kind='metric', purpose='test', settings={},
                inputs={'x': {'from': 'formula', 'name': 'x', 'shape': [2], 'seed': 1, 'meaning': 'x'}},
                outputs={k: {'meaning': k, **row} for k, row in rows.items()},
                tolerance={'compare': 'rel_max', 'float64': 1e-5, 'float32': 1e-4})
    (folder / 'case.json').write_text(json.dumps(spec | changes))
    return folder


def check(folder, values, dtype='float64'):
    """Rows of the report when an adapter answers ``values``."""
    return {row.output: row for row in
            check_parity.check_case(folder, dtype, get_adapter=lambda method: lambda case, dtype: values)}


def case_id(path):
    return '/'.join(path.parts[-2:])


@pytest.fixture
def made_up(tmp_path):
    return write_case(tmp_path / 'made_up' / 'case')


def test_made_up_case_is_well_formed(made_up):
    assert validate(made_up) == []


@pytest.mark.parametrize('dtype', ['float64', 'float32'])
@pytest.mark.parametrize('folder', ['made up', *CASES, *SHARED], ids=lambda p: p if isinstance(p, str) else case_id(p))
def test_every_output_passes_unmoved_and_fails_moved_by_ten_tolerances(folder, dtype, tmp_path):
    folder = write_case(tmp_path / 'made_up' / 'case') if folder == 'made up' else folder
    case = Case(folder)
    unmoved = check(folder, case.expected(), dtype)
    assert list(unmoved) == case.output_names and all(row.passed for row in unmoved.values())
    far = {name: moved(case, name, dtype) for name in case.output_names}
    assert not [name for name, value in far.items() if value is None]
    assert not [str(row) for row in check(folder, far, dtype).values() if row.passed]


def test_a_move_of_less_than_the_tolerance_passes(made_up):
    case = Case(made_up)
    near = {name: moved(case, name, times=0.5) for name in ('relative', 'absolute', 'scalar', 'holes', 'part')}
    near['exact'] = np.r_[np.ones(3), np.zeros(47)]
    near['labels'] = np.r_[99, 98, np.arange(2, 40)]
    assert all(check(made_up, near)[name].passed for name in near)
    near['exact'] = np.r_[np.ones(4), np.zeros(46)]
    near['labels'] = np.r_[99, 98, 97, np.arange(3, 40)]
    assert not any(check(made_up, near)[name].passed for name in ('exact', 'labels'))


def test_float32_has_its_own_tolerance(made_up):
    value = {'relative': moved(Case(made_up), 'relative', times=5)}
    assert not check(made_up, value, 'float64')['relative'].passed
    assert check(made_up, value, 'float32')['relative'].passed


@pytest.mark.parametrize(('name', 'value', 'reason'), [
    ('relative', np.full((3, 4), np.nan), 'NaN in 12 places'), ('holes', np.array([1.0, 1.0]), 'NaN in 1 places'),
    ('nothing_known', np.array([0.0]), 'NaN in 1 places'), ('relative', np.zeros((4, 3)), 'shape'),
    ('relative', np.full((3, 4), np.inf), ''), ('relative', np.array([['a'] * 4] * 3), 'expected numbers'),
    ('labels', np.arange(40) + 0.5, '40 of 40'), ('part', np.zeros((3, 3)), ''),
    ('absolute', [[1], [1, 2]], 'compared'), ('relative', None, 'shape'), ('table', {'a': [1, 3]}, 'JSON'),
    ('scalar', np.array([0.25, 0.25]), 'shape')])
def test_wrong_values_fail_with_their_reason(made_up, name, value, reason):
    row = check(made_up, {**Case(made_up).expected(), name: value})[name]
    assert not row.passed and reason in row.reason


def test_a_full_array_is_cut_where_a_part_was_recorded(made_up):
    assert check(made_up, {'part': np.arange(12.0).reshape(4, 3)})['part'].passed


def test_missing_outputs_fail(made_up):
    rows = check(made_up, {'scalar': 0.25})
    assert rows['scalar'].passed and sum(row.passed for row in rows.values()) == 1
    assert 'output missing; the adapter gave: scalar' in rows['relative'].reason


def test_an_output_without_record_fails(made_up):
    (made_up / 'outputs.json').unlink()
    rows = check(made_up, {'table': {'a': [1, 2]}})
    assert not rows['table'].passed and 'no record' in rows['table'].reason


@pytest.mark.parametrize('index', ['[:, ::4]', '[0]', '[-1, :, :, ::5]', '[..., ::3, ::3]', '[:1, :8]', '[1:4:2]'])
def test_slices_are_read_without_running_them(index):
    array = np.arange(2 * 5 * 6 * 7).reshape(2, 5, 6, 7)
    np.testing.assert_array_equal(array[parse_slice(index)], eval(f'array{index}'))


@pytest.mark.parametrize('index', ['[print(1)]', '.shape', '[0](1)', '[[0, 1]]', '[', '["a"]'])
def test_other_slices_are_refused(index):
    with pytest.raises(ValueError, match='slice'):
        parse_slice(index)


def test_adapters_get_no_records(made_up):
    seen = []

    def run(case, dtype):
        seen.append(case)
        return {}

    check_parity.check_case(made_up, 'float32', data_root='somewhere', get_adapter=lambda method: run)
    blind = seen[0]
    assert isinstance(blind, BlindCase) and blind.output_names == list(blind.output_rows)
    assert not [name for name in ('expected', 'expected_output', 'compare', 'spec') if hasattr(blind, name)]
    assert blind.inputs['x'].shape == (2,) and blind.state_dict() == {} and blind.data_root == Path('somewhere')


def test_a_crash_fails_every_output_and_the_rest_goes_on(made_up, tmp_path, capsys, monkeypatch):
    def run(case, dtype):
        if case.case == 'case':
            raise RuntimeError('two\nlines')
        return Case(case.dir).expected()

    write_case(tmp_path / 'made_up' / 'other')
    monkeypatch.setattr(check_parity.check_case, '__defaults__', ('float64', None, lambda method: run))
    assert check_parity.main([str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith('FAIL made_up/case relative inf 1e-05') and 'RuntimeError: two lines' in lines[0]
    assert lines[-1] == '14 passed, 14 failed' and len(lines) == 29
    assert check_parity.main([str(tmp_path / 'made_up' / 'other')]) == 0
    assert capsys.readouterr().out.splitlines()[0] == 'PASS made_up/other relative 0 1e-05'


def test_unknown_method_and_unknown_case_fail(made_up, tmp_path, capsys):
    assert check_parity.main([str(made_up)]) == 1
    assert "UnknownCase: no adapter for method 'made_up'; known:" in capsys.readouterr().out
    strange = write_case(tmp_path / 'referformer' / 'strange', method='referformer', kind='data')
    assert check_parity.main([str(strange)]) == 1
    out = capsys.readouterr().out
    assert "knows case 'strange' of kind 'data'" in out and out.splitlines()[-1] == '0 passed, 14 failed'
    for method in ('metrics_rvos', 'metrics_vos'):
        folder = write_case(tmp_path / method / 'strange', method=method)
        assert all('UnknownCase' in row.reason for row in check_parity.check_case(folder))
    with pytest.raises(UnknownCase):
        check_parity.load_adapter('../parity')


def test_broken_folders_and_nothing_at_all_fail(tmp_path, capsys):
    assert check_parity.main([str(tmp_path)]) == 1
    assert check_parity.main([str(tmp_path / 'absent')]) == 1
    (tmp_path / 'a').mkdir()
    (tmp_path / 'a' / 'case.json').write_text('{')
    assert check_parity.main([str(tmp_path)]) == 1
    empty = write_case(tmp_path / 'b')
    spec = json.loads((empty / 'case.json').read_text()) | {'outputs': {}}
    (empty / 'case.json').write_text(json.dumps(spec))
    assert check_parity.main([str(empty)]) == 1
    lost = write_case(tmp_path / 'c', inputs={'x': {'from': 'file', 'key': 'x', 'meaning': 'x'}})
    assert check_parity.main([str(lost)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith('PASS')] == []
    assert sum('broken case directory' in line for line in lines) == 5
    assert lines[-1] == '0 passed, 1 failed'


@pytest.mark.parametrize('folder', METRIC_CASES, ids=case_id)
def test_metric_cases(folder):
    rows = check_parity.check_case(folder)
    assert rows and all(row.passed for row in rows), [str(row) for row in rows if not row.passed]


def test_data_root_names_files_outside_a_case(tmp_path):
    """Index PNGs below the data directory, named there and one folder further down."""
    maps = np.zeros((3, 20, 30), dtype=np.uint8)
    maps[:, 4:12, 5:20], maps[1:, 14:18, 3:9] = 1, 2
    for folder in ('truth', 'prediction'):
        (tmp_path / 'data' / 'clips' / 'a' / folder).mkdir(parents=True)
        for t, frame in enumerate(maps):
            Image.fromarray(frame).save(tmp_path / 'data' / 'clips' / 'a' / folder / f'{t:05d}.png')
    source = json.loads((ROOT / 'tests/data/parity/metrics_rvos/davis_frame/case.json').read_text())['settings']
    settings = {k: v for k, v in source.items() if k != 'variants'} | dict(
        protocol='frame_folders', data_root='clips', foreground='index', drop_first_and_last=False,
        average=['frame', 'expression'])
    clips = [dict(name='a', truth_folder='a/truth', prediction_folder='a/prediction', objects=[1, 2],
                  frames=[f'{t:05d}.png' for t in range(3)])]
    tracks = [dict(clip='a', expression='0', object=2)]
    case = write_case(
        tmp_path / 'cases' / 'folders', method='metrics_rvos', settings=settings,
        outputs={'a__2__J': {}, 'JF_mean': {}}, values={'a__2__J': np.ones(3), 'JF_mean': np.float64(1)},
        inputs={name: {'from': 'value', 'value': value, 'meaning': name}
                for name, value in (('clips', clips), ('tracks', tracks))})
    for root in (tmp_path / 'data', tmp_path / 'data' / 'clips'):
        assert check_parity.main(['--data-root', str(root), str(case)]) == 0
    rows = check_parity.check_case(case)
    assert not any(row.passed for row in rows) and '--data-root' in rows[0].reason


@pytest.mark.skipif(not (ROOT.parent / 'shared' / 'real_clips').is_dir(), reason='the real clips are not there')
def test_real_clips():
    case = ROOT.parent / 'shared' / 'parity' / 'metrics_rvos' / 'real_osvos'
    rows = check_parity.check_case(case)
    assert rows and all(row.passed for row in rows)


def test_adapters_do_not_need_the_records(tmp_path):
    source = ROOT / 'tests' / 'data' / 'parity' / 'referformer' / 'metrics_davis'
    folder = shutil.copytree(source, tmp_path / 'renamed')
    (folder / 'outputs.npz').unlink()
    got = check_parity.load_adapter('referformer')(Case(folder).blind(), 'float64')
    assert Case(source).compare(got)['J'][2]


def has_array_prediction(folder):
    names = json.loads((folder / 'case.json').read_text())['inputs']
    return any(name.endswith(('pred', 'prediction')) for name in names)


@pytest.mark.parametrize('folder', [*filter(has_array_prediction, METRIC_CASES)], ids=case_id)
def test_another_input_gives_another_number(folder):
    """A tool that handed back the record would not notice a changed mask."""
    case = Case(folder)
    flipped = {name: value[..., ::-1, :].copy() if name.endswith(('pred', 'prediction')) else value
               for name, value in case.inputs.items()}
    case.inputs = flipped
    got = check_parity.load_adapter(case.method)(case.blind(), 'float64')
    assert not all(passed for _, _, passed in case.compare(got).values())
