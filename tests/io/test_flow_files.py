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
    frame_names,
    keep_settings,
    make_flow,
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
    assert make_flow(job, lambda *pair: asked.append(pair) or still(*pair)) == 1 and len(asked) == 4
    assert [int(frame[0, 0, 0]) for frame in asked[-1]] == [40, 20]  # from the last frame to the one before
    assert check_flow(job) == 3 and sorted(flow_names(job.target)) == ['0', '1', '2']


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
