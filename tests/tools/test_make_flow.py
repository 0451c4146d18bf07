"""tools/dataset_converters/make_flow.py: layouts, going on after an interruption, errors that list names."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmlvs.io import write_video
from mmlvs.io.flow import DISFlow, flow_images

TOOL = Path(__file__).parents[2] / 'tools' / 'dataset_converters' / 'make_flow.py'


@pytest.fixture(scope='module')
def make_flow():
    spec = importlib.util.spec_from_file_location('make_flow_tool', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def frames_of(seed, count=4):
    base = np.random.default_rng(seed).integers(0, 255, (24, 60, 3), dtype=np.uint8)
    return [np.ascontiguousarray(base[:, 3 * t:3 * t + 32]) for t in range(count)]


def write_frames(folder, seed, names=('00000', '00001', '00002', '00010')):
    folder.mkdir(parents=True)
    for name, frame in zip(names, frames_of(seed, len(names)), strict=True):
        Image.fromarray(frame).save(folder / f'{name}.png')
    return folder


def flows(folder):
    return {path.stem: np.asarray(Image.open(path)) for path in sorted(folder.glob('*.png'))}


def expected(seed, names):
    return dict(zip(names, flow_images(frames_of(seed, len(names)), DISFlow()), strict=True))


def same(found, wanted):
    return set(found) == set(wanted) and all(np.array_equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize('workers', ['1', '2'])
def test_folder_of_videos(make_flow, tmp_path, capsys, workers):
    for seed, video in enumerate(('a', 'b')):
        write_frames(tmp_path / 'in' / video, seed)
    assert make_flow([str(tmp_path / 'in'), '--out', str(tmp_path / 'out'), '--workers', workers]) == 0
    assert '2 videos, 8 flow images made, 0 errors' in capsys.readouterr().out
    for seed, video in enumerate(('a', 'b')):
        assert same(flows(tmp_path / 'out' / video), expected(seed, ('00000', '00001', '00002', '00010')))
    assert make_flow([str(tmp_path / 'in'), '--out', str(tmp_path / 'out'), '--check']) == 0
    assert '8 flow images checked' in capsys.readouterr().out


def test_layout_of_isomer_and_one_folder(make_flow, tmp_path):
    write_frames(tmp_path / 'set' / 'v' / 'Frame', 0)
    (tmp_path / 'set' / 'v' / 'GT').mkdir()
    assert make_flow([str(tmp_path / 'set'), '--frames', 'Frame', '--flow', 'Flow']) == 0
    assert len(flows(tmp_path / 'set' / 'v' / 'Flow')) == 4
    assert make_flow([str(tmp_path / 'set' / 'v' / 'Frame'), '--out', str(tmp_path / 'one')]) == 0
    assert same(flows(tmp_path / 'one' / 'Frame'), flows(tmp_path / 'set' / 'v' / 'Flow'))


def test_video_file(make_flow, tmp_path):
    from mmlvs.io import read_frames
    path = write_video(tmp_path / 'clip.mp4', frames_of(3, 5))
    assert make_flow([str(path), '--out', str(tmp_path / 'out')]) == 0
    wanted = dict(zip([f'{t:05d}' for t in range(5)], flow_images(read_frames(path), DISFlow()), strict=True))
    assert same(flows(tmp_path / 'out' / 'clip'), wanted)


def test_an_interrupted_run_goes_on(make_flow, tmp_path, capsys):
    source, out = write_frames(tmp_path / 'a', 0), tmp_path / 'out'
    assert make_flow([str(source), '--out', str(out)]) == 0
    whole = flows(out / 'a')
    stamp = (out / 'a' / '00000.png').stat().st_mtime_ns
    (out / 'a' / '00001.png').unlink()
    (out / 'a' / '00010.png').unlink()
    (out / 'a' / '.00001.x.part.png').write_bytes(b'half an image')
    capsys.readouterr()
    assert make_flow([str(source), '--out', str(out)]) == 0
    assert '1 videos, 2 flow images made' in capsys.readouterr().out
    assert same(flows(out / 'a'), whole) and (out / 'a' / '00000.png').stat().st_mtime_ns == stamp
    assert not list((out / 'a').glob('.*'))
    assert make_flow([str(source), '--out', str(out), '--preset', 'fast']) == 1
    assert "preset 'medium', now 'fast'" in capsys.readouterr().err


def test_missing_and_extra_names_are_listed(make_flow, tmp_path, capsys):
    source, out = write_frames(tmp_path / 'a', 0), tmp_path / 'out'
    arguments = [str(source), '--out', str(out)]
    assert make_flow(arguments) == 0
    (out / 'a' / '00002.png').rename(out / 'a' / '2.png')
    assert make_flow([*arguments, '--check']) == 1
    assert '1 missing (00002), 1 extra (2)' in capsys.readouterr().err
    assert make_flow(arguments) == 1  # nothing is made beside files that belong to no frame
    assert '1 extra (2)' in capsys.readouterr().err and not (out / 'a' / '00002.png').exists()
    (out / 'a' / '2.png').rename(out / 'a' / '00001.jpg')
    assert make_flow([*arguments, '--check']) == 1
    assert '1 double (00001)' in capsys.readouterr().err


def test_a_broken_video_does_not_stop_the_others(make_flow, tmp_path, capsys):
    write_frames(tmp_path / 'in' / 'a', 0)
    write_frames(tmp_path / 'in' / 'b', 1)
    (tmp_path / 'in' / 'a' / '00002.png').write_bytes(b'no image')
    assert make_flow([str(tmp_path / 'in'), '--out', str(tmp_path / 'out')]) == 1
    printed = capsys.readouterr()
    assert '2 videos, 4 flow images made, 1 errors' in printed.out
    assert '00002.png: frame cannot be decoded' in printed.err
    assert len(flows(tmp_path / 'out' / 'b')) == 4


@pytest.mark.parametrize('arguments, message', [
    (['nowhere', '--out', 'x'], 'nowhere: no such video'), (['.', '--out', 'x'], 'holds neither frames nor videos'),
    (['.', '--out', 'x', '--frames', 'Frame'], 'looked for folders <video>/Frame'),
])
def test_nothing_to_do_is_an_error(make_flow, tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert make_flow(arguments) == 1 and message in capsys.readouterr().err


def test_arguments_are_checked(make_flow):
    for wrong in (['a'], ['a', '--out', 'x', '--method', 'raft'], ['a', '--out', 'x', '--workers', '0']):
        with pytest.raises(SystemExit):
            make_flow(wrong)
