"""Frames of a clip: the core sampling and its properties for any video."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlvs.datasets.transforms import (
    DrawKeyFrames,
    SampleClip,
    SampleLocalGlobalFrames,
    SampleSpreadFrames,
    SampleWindow,
)
from mmlvs.datasets.transforms.sampling import (
    centred_window,
    consecutive_frames,
    global_draw,
    local_frames,
    local_global_frames,
)

VIDEOS = dict(length=st.integers(1, 40), num_frames=st.integers(1, 12), seed=st.integers(0, 2**31), data=st.data())


@settings(max_examples=150, deadline=None)
@given(**VIDEOS)
def test_any_video_gives_a_sorted_clip_around_the_start(length, num_frames, seed, data):
    start = data.draw(st.integers(0, length - 1))
    frames = local_global_frames(start, length, num_frames, np.random.default_rng(seed))
    assert len(frames) == num_frames and frames == sorted(frames)
    assert set(frames) <= set(range(length))
    if num_frames in (1, 3) or num_frames > 3:
        assert start in frames
    if num_frames >= 3:
        assert any(0 < start - f <= 3 for f in frames) or start == 0 or frames.count(0) > 1
    assert frames == local_global_frames(start, length, num_frames, np.random.default_rng(seed))


@settings(max_examples=100, deadline=None)
@given(length=st.integers(1, 30), count=st.integers(1, 20), data=st.data())
def test_further_frames(length, count, data):
    start, before, after = (data.draw(st.integers(*r)) for r in ((0, length - 1), (1, 3), (1, 3)))
    local = local_frames(start, length, before, after)
    draw = global_draw(local, length, count)
    assert draw.count <= len(draw.pool) and draw.count + len(draw.fixed) == count
    outside = [f for f in range(length) if f < min(local) or f >= max(local)]
    assert list(draw.pool) == (outside if len(outside) > count else list(range(length)))
    assert set(draw.fixed) in (set(), set(range(length)))


def test_very_short_videos():
    assert global_draw([0, 0, 1], 2, 5).fixed == (0, 1, 0, 1) and global_draw([0, 0, 1], 2, 5).count == 1
    with pytest.raises(ValueError, match='video of 2 frames: too short'):
        global_draw([0, 0, 1], 2, 5, repeat=False)
    assert global_draw([0, 0, 1], 3, 5, repeat=False).count == 2


def test_single_frame_of_the_loaders_without_guard():
    assert local_global_frames(5, 9, 1, np.random.default_rng(0)) == [5]
    assert local_global_frames(5, 9, 1, np.random.default_rng(0), single=False)[0] in (2, 3, 4)


def test_windows():
    assert centred_window(0, 12, 5) == [0, 0, 0, 1, 2]
    assert centred_window(6, 12, 6) == [3, 4, 5, 6, 7, 8]
    assert centred_window(11, 12, 5) == [9, 10, 11, 11, 11]
    assert consecutive_frames(3, 10, 4) == [3, 4, 5, 6]
    assert consecutive_frames(8, 10, 4) == [6, 7, 8, 9]
    assert consecutive_frames(0, 2, 4) == [0, 1, 1, 1]


def _results(length, start=0, seed=0):
    names = [f'{t:05d}' for t in range(length)]
    return dict(video_id='v', frame_ids=names, frame_paths=[f'{n}.jpg' for n in names], frame_index=list(range(length)),
                start_frame=start, key_frames=list(range(length)), rng=np.random.default_rng(seed))


def test_transforms_narrow_all_lists_together():
    for step in (SampleLocalGlobalFrames(num_frames=6), SampleClip(num_frames=6)):
        got = step(_results(20, start=10))
        assert len(got['frame_ids']) == 6 and got['key_frames'] == list(range(6))
        assert got['frame_ids'] == [f'{t:05d}' for t in got['frame_index']]
        assert got['frame_paths'] == [f'{n}.jpg' for n in got['frame_ids']]


@given(st.integers(1, 60), st.integers(1, 12), st.integers(0, 5))
def test_spread_frames(length, num_frames, seed):
    frames = SampleSpreadFrames(num_frames=num_frames).transform(_results(length, seed=seed))['frame_index']
    steps = set(np.diff(frames))
    assert 1 <= len(frames) <= num_frames and len(steps) <= 1 and frames[-1] < length
    step = -(-length // num_frames)
    assert steps <= {step} and frames[0] < step and frames[-1] + step >= length
    with pytest.raises(ValueError, match='take SampleWindow'):
        SampleSpreadFrames(num_frames=4).transform(dict(_results(9), key_frame=2, dataset='A2D'))


def test_reversed_clips():
    forwards = SampleLocalGlobalFrames(num_frames=5)(_results(20, 10))['frame_index']
    assert SampleLocalGlobalFrames(num_frames=5, reverse_prob=1.0)(_results(20, 10))['frame_index'] == forwards[::-1]


@pytest.mark.parametrize('kind', [SampleLocalGlobalFrames, SampleWindow])
def test_length_of_the_clip_from_the_data_set(kind):
    found = kind()(_results(20, start=10) | dict(clip_length=6))
    assert found['frame_index'] == kind(num_frames=6)(_results(20, start=10) | dict(clip_length=3))['frame_index']
    with pytest.raises(ValueError, match="video 'v': the length of a clip is not given"):
        kind()(_results(20) | dict(clip_length=None))


def test_errors():
    with pytest.raises(ValueError, match=r"video 'v': video of 2 frames.*short_video='repeat'"):
        SampleLocalGlobalFrames(num_frames=8, short_video='error')(_results(2))
    with pytest.raises(ValueError, match='num_frames 0'):
        SampleLocalGlobalFrames(num_frames=0)
    with pytest.raises(ValueError, match='num_frames -1'):
        SampleClip(num_frames=-1)
    with pytest.raises(ValueError, match="short_video 'skip'"):
        SampleLocalGlobalFrames(num_frames=3, short_video='skip')


@settings(max_examples=100, deadline=None)
@given(length=st.integers(1, 40), count=st.integers(1, 12), seed=st.integers(0, 2**31))
def test_key_frames_spread_over_the_clip(length, count, seed):
    results = dict(frame_ids=[str(t) for t in range(length)], rng=np.random.default_rng(seed))
    frames = DrawKeyFrames(num_key_frames=count)(results)['key_frames']
    assert len(frames) == min(count, length) and len(set(frames)) == len(frames) and frames == sorted(frames)
    assert frames[0] < length / len(frames) + 1 and frames[-1] >= length - length / len(frames) - 1


def test_every_frame_can_become_a_key_frame():
    rng = np.random.default_rng(0)
    seen = {t for _ in range(200) for t in
            DrawKeyFrames(num_key_frames=3)(dict(frame_ids=list('abcdefgh'), rng=rng))['key_frames']}
    assert seen == set(range(8))
    with pytest.raises(ValueError, match='num_key_frames 0'):
        DrawKeyFrames(num_key_frames=0)
