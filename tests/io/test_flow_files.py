"""Which flow images belong to which frames; the command line is tested with tools/dataset_converters/make_flow.py."""

import json

import numpy as np
import pytest
from PIL import Image

from mmlvs.io.flow_files import (
    FlowFilesError,
    check_flow,
    check_names,
    find_flow_jobs,
    flow_names,
    folders_without_frames,
    frame_names,
    keep_settings,
    make_flow,
    run_flow_jobs,
)


def write(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for t, name in enumerate(names):
        Image.fromarray(np.full((4, 6, 3), 20 * t, np.uint8)).save(folder / name)
    return folder


def still(frame, other):
    return np.zeros((*frame.shape[:2], 2), np.float32)


def test_names_are_compared_not_numbers():
    check_names(['a', 'b'], ['b', 'a'], where='here')
    with pytest.raises(FlowFilesError, match=r'here: .* each of 2 frames.* 1 missing \(b\), 2 extra \(0, c\)\.'):
        check_names(['a', 'b'], ['a', 'c', '0'], where='here')
    with pytest.raises(FlowFilesError, match=r'3 missing \(0, 1 and 1 more\)'):
        check_names('012', [], where='here', shown=2)


def test_frames_are_told_apart_by_their_names(tmp_path):
    assert frame_names(write(tmp_path / 'a', 'f10.png', 'f2.jpg', 'f1.png')) == ['f1', 'f2', 'f10']
    with pytest.raises(ValueError, match='several images are named f1;'):
        frame_names(write(tmp_path / 'a', 'f1.jpg'))
    (tmp_path / 'broken.mp4').write_bytes(b'no video')
    with pytest.raises(ValueError, match='no frame of this video can be decoded'):
        frame_names(tmp_path / 'broken.mp4')


def test_where_videos_are_and_where_their_flow_goes(tmp_path):
    write(tmp_path / 'set' / 'v10' / 'Frame', '0.png')
    write(tmp_path / 'set' / 'v2' / 'Frame', '0.png')
    write(tmp_path / 'other' / 'v2', '0.png')
    jobs = find_flow_jobs([tmp_path / 'set'], None, frames='Frame', flow='Flow', suffix='.jpg')
    assert [job.target for job in jobs] == [tmp_path / 'set' / v / 'Flow' for v in ('v2', 'v10')]
    jobs = find_flow_jobs([tmp_path / 'set'], tmp_path / 'out', frames='Frame')
    assert [(job.name, job.target) for job in jobs] == [(v, tmp_path / 'out' / v) for v in ('v2', 'v10')]
    with pytest.raises(ValueError, match='would both write to'):
        find_flow_jobs([tmp_path / 'other', tmp_path / 'other' / 'v2'], tmp_path / 'out')
    with pytest.raises(ValueError, match='no place for flow images'):
        find_flow_jobs([tmp_path / 'other'], None)


def test_only_what_is_missing_is_made(tmp_path):
    write(tmp_path / 'v', '0.png', '1.png', '2.png')
    (job, ) = find_flow_jobs([tmp_path / 'v'], tmp_path / 'out', suffix='.jpg')
    asked = []
    assert make_flow(job, lambda *pair: asked.append(pair) or still(*pair)) == 3 and len(asked) == 3
    (job.target / '2.jpg').unlink()
    assert make_flow(job, lambda *pair: asked.append(pair) or still(*pair)) == 1 and len(asked) == 5
    # the frame before may have been the last one when its flow was made
    assert [[int(frame[0, 0, 0]) for frame in pair] for pair in asked[-2:]] == [[20, 40], [40, 20]]
    assert check_flow(job) == 3 and sorted(flow_names(job.target)) == ['0', '1', '2']


def test_a_video_that_has_grown_gets_the_flow_of_the_whole(tmp_path):
    """The last frame's flow leads back; once frames follow it, it leads on."""
    def towards(frame, other):
        return np.full((*frame.shape[:2], 2), [int(other[0, 0, 0]) - int(frame[0, 0, 0]), 0], np.float32)

    write(tmp_path / 'whole', *(f'{t}.png' for t in range(5)))
    write(tmp_path / 'grown', *(f'{t}.png' for t in range(3)))
    jobs = [find_flow_jobs([tmp_path / name], tmp_path / 'out')[0] for name in ('whole', 'grown')]
    make_flow(jobs[1], towards)
    write(tmp_path / 'grown', *(f'{t}.png' for t in range(5)))
    assert make_flow(jobs[1], towards) == 2 and make_flow(jobs[0], towards) == 5
    for file in sorted(jobs[0].target.iterdir()):
        assert file.read_bytes() == (jobs[1].target / file.name).read_bytes(), file.name


def test_only_frames_with_truth(tmp_path):
    write(tmp_path / 'set/v/Frame', *(f'{t}.jpg' for t in range(4)))
    write(tmp_path / 'set/v/GT', '0.png', '3.png')
    (job, ) = find_flow_jobs([tmp_path / 'set'], None, frames='Frame', flow='Flow', only='GT')
    asked = []
    assert make_flow(job, lambda *pair: asked.append(pair) or still(*pair)) == 2 == check_flow(job)
    assert sorted(flow_names(job.target)) == ['0', '3'] and len(asked) == 2
    assert [int(round(frame[0, 0, 0] / 20)) for frame in asked[0]] == [0, 1], 'the neighbour, with truth or without'
    write(tmp_path / 'set/v/GT', '9.png')
    with pytest.raises(FlowFilesError, match=r'1 files belong to no frame of .* \(9\)'):
        make_flow(job, still)


def test_places_that_cannot_be(tmp_path, monkeypatch):
    write(tmp_path / 'set/v', '0.png')
    (tmp_path / 'set/empty').mkdir()
    (tmp_path / 'set/mac').mkdir()
    (tmp_path / 'set/mac/._0.png').touch()
    with pytest.raises(ValueError, match='would lie among its frames'):
        find_flow_jobs([tmp_path / 'set/v'], tmp_path / 'set')
    assert [path.name for path in folders_without_frames([tmp_path / 'set'])] == ['empty', 'mac']
    (tmp_path / 'clip.mp4').touch()
    with pytest.raises(ValueError, match='clip.mp4: a video file has no folders of its own'):
        find_flow_jobs([tmp_path / 'clip.mp4'], None, flow='Flow')
    write(tmp_path / 'sets/one/v/Frame', '0.png')
    with pytest.raises(FileNotFoundError, match='a level deeper, name these folders: .*one'):
        find_flow_jobs([tmp_path / 'sets'], None, frames='Frame', flow='Flow')
    monkeypatch.chdir(tmp_path / 'set/v')
    (job, ) = find_flow_jobs(['.'], tmp_path / 'out')
    assert job.target == tmp_path / 'out/v'


def test_any_failure_is_that_of_one_video(tmp_path):
    write(tmp_path / 'set/a', '0.png', '1.png')
    write(tmp_path / 'set/b', '0.png', '1.png')

    def out_of_memory(frame, other):
        raise RuntimeError('out of memory')

    made, errors = run_flow_jobs(find_flow_jobs([tmp_path / 'set'], tmp_path / 'out'), out_of_memory)
    assert made == 0 and errors == [f'{name}: RuntimeError: out of memory' for name in 'ab']


def test_a_video_of_one_frame_has_one_white_image(tmp_path):
    write(tmp_path / 'v', '0.png')
    (job, ) = find_flow_jobs([tmp_path / 'v'], tmp_path / 'out')
    assert make_flow(job, still) == 1 and (np.asarray(Image.open(job.target / '0.png')) == 255).all()
    assert make_flow(job, still) == 0


def test_images_of_two_kinds_do_not_mix(tmp_path):
    keep_settings(tmp_path, dict(method='dis', preset='fast'))
    keep_settings(tmp_path, dict(method='dis', preset='fast'))
    with pytest.raises(ValueError, match="preset 'fast', now 'medium'.; use the same ones, another folder"):
        keep_settings(tmp_path, dict(method='dis', preset='medium'))
    assert json.loads((tmp_path / 'make_flow.json').read_text())['preset'] == 'fast'
