"""Colour wheel, estimators and flow of whole videos."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlvs.io.flow import DISFlow, NoFlow, RAFTFlow, color_wheel, flow_images, flow_to_color, iter_flow
from mmlvs.registry import TASK_UTILS


def field(*vectors):
    return np.array([vectors], dtype=np.float32)


def test_wheel_has_the_hues_of_middlebury():
    wheel = color_wheel()
    assert wheel.shape == (55, 3)
    corners = {0: (255, 0, 0), 15: (255, 255, 0), 21: (0, 255, 0), 25: (0, 255, 255), 36: (0, 0, 255),
               49: (255, 0, 255)}
    for place, color in corners.items():
        assert tuple(wheel[place]) == color
    assert tuple(wheel[1]) == (255, 17, 0) and tuple(wheel[54]) == (255, 0, 43)  # floor(255 / 15), 255 - floor(255*5/6)


def test_directions_and_lengths():
    """Right is red, left cyan-blue, down yellow, up violet; half the length is half the saturation."""
    colors = flow_to_color(field((4, 0), (2, 0), (0, 0), (-4, 0), (0, 4), (0, -4)))[0]
    assert [tuple(color) for color in colors[:3]] == [(255, 0, 0), (255, 127, 127), (255, 255, 255)]
    assert tuple(colors[3])[0] < 10 and colors[3][2] == 255  # left
    assert colors[4][0] == 255 and colors[4][1] > 200 and colors[4][2] < 10  # down
    assert colors[5][0] > 80 and colors[5][1] < 10 and colors[5][2] == 255  # up


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.floats(0.01, 100), st.integers(0, 2**16))
def test_only_ratios_of_lengths_are_seen(height, width, factor, seed):
    flow = np.random.default_rng(seed).normal(size=(height, width, 2))
    same = np.abs(flow_to_color(flow).astype(int) - flow_to_color(factor * flow))
    assert same.max() <= 1 and flow_to_color(flow).dtype == np.uint8


def test_a_fixed_radius_darkens_what_is_longer():
    flow = field((2, 0), (8, 0))
    assert tuple(flow_to_color(flow, max_radius=4)[0, 0]) == (255, 127, 127)
    assert tuple(flow_to_color(flow, max_radius=4)[0, 1]) == (191, 0, 0)


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 70), st.integers(1, 5), st.integers(0, 2**16))
def test_every_row_is_coloured_for_itself(height, width, seed):
    """With a fixed radius; and the field stays as it is."""
    flow = np.random.default_rng(seed).normal(size=(height, width, 2)).astype(np.float32)
    flow[seed % height, 0] = np.nan
    before = flow.copy()
    rows = [flow_to_color(row[None], max_radius=1.5) for row in flow]
    assert np.array_equal(flow_to_color(flow, max_radius=1.5), np.concatenate(rows))
    assert np.array_equal(flow, before, equal_nan=True)


def test_what_does_not_move_is_white_and_what_is_unknown_black():
    assert (flow_to_color(np.zeros((3, 4, 2))) == 255).all()
    colors = flow_to_color(field((np.nan, 0), (0, np.inf), (2e9, 0), (1, 0)))[0]
    assert not colors[:3].any() and tuple(colors[3]) == (255, 0, 0)
    with pytest.raises(ValueError, match=r'\(H, W, 2\), found \(3, 4\)'):
        flow_to_color(np.zeros((3, 4)))
    with pytest.raises(ValueError, match='max_radius 0'):
        flow_to_color(np.zeros((1, 1, 2)), max_radius=0)


def moved(shift, size=(64, 80), seed=0):
    """A smooth texture and the same moved by ``shift`` (right, down)."""
    rng = np.random.default_rng(seed)
    import cv2
    base = cv2.GaussianBlur(rng.integers(0, 255, (size[0] + 40, size[1] + 40, 3), dtype=np.uint8), (0, 0), 2)
    base = cv2.normalize(base, None, 0, 255, cv2.NORM_MINMAX)
    dx, dy = shift
    return base[20:20 + size[0], 20:20 + size[1]], base[20 - dy:20 - dy + size[0], 20 - dx:20 - dx + size[1]]


@pytest.mark.parametrize('shift', [(3, 0), (-2, 4), (0, -5)])
def test_dis_finds_a_shift(shift):
    flow = DISFlow()(*moved(shift))
    assert flow.shape == (64, 80, 2) and flow.dtype == np.float32
    assert np.abs(np.median(flow[12:-12, 12:-12], axis=(0, 1)) - shift).max() < 0.3


def test_estimators_are_settings_and_travel_to_other_processes():
    dis = TASK_UTILS.build(dict(type='DISFlow', preset='fast'))
    pair = moved((2, 1))
    expected = dis(*pair)
    assert np.array_equal(pickle.loads(pickle.dumps(dis))(*pair), expected)
    with ThreadPoolExecutor(4) as pool:
        assert all(np.array_equal(flow, expected) for flow in pool.map(lambda _: dis(*pair), range(8)))
    with pytest.raises(ValueError, match="preset 'slow', expected one of"):
        DISFlow(preset='slow')
    with pytest.raises(ValueError, match="size 'huge'"):
        RAFTFlow(checkpoint='none.pth', size='huge')


@pytest.mark.parametrize('size', [(1, 1), (8, 300), (20, 1000), (300, 5), (20, 24)])
def test_dis_takes_frames_of_any_shape(size):
    """OpenCV's own refuses the first, and the next two end the process."""
    rng = np.random.default_rng(0)
    for preset in DISFlow.PRESETS:
        flow = DISFlow(preset=preset)(*rng.integers(0, 255, (2, *size, 3), dtype=np.uint8))
        assert flow.shape == (*size, 2) and flow.dtype == np.float32 and np.isfinite(flow).all()
    shift = min(2, *(side // 8 for side in size))
    flow = DISFlow()(*moved((shift, 0), size=size))
    assert np.abs(np.median(flow, axis=(0, 1)) - (shift, 0)).max() < 0.5


@pytest.mark.parametrize('preset', DISFlow.PRESETS)
def test_dis_does_not_remember_what_it_saw(preset):
    dis, pair = DISFlow(preset=preset), moved((2, 1), size=(100, 120))
    expected = dis(*pair)
    dis(*moved((1, 1), size=(20, 20)))  # so small that OpenCV changes its settings
    assert np.array_equal(dis(*pair), expected)


def test_no_flow_is_white():
    frames = np.random.default_rng(0).integers(0, 255, (2, 8, 9, 3), dtype=np.uint8)
    assert all((image == 255).all() for image in flow_images(frames, NoFlow()))


def test_raft_is_read_when_it_is_needed(tmp_path):
    raft = RAFTFlow(checkpoint=tmp_path / 'none.pth')  # torchvision is not touched yet
    try:
        import torchvision  # noqa: F401
        expected, message = FileNotFoundError, 'none.pth'
    except ImportError:
        expected, message = ImportError, 'needs torchvision.*or use DISFlow'
    with pytest.raises(expected, match=message):
        raft(*moved((1, 0)))


def difference(frame, other):
    """An 'estimator' that tells which pair it was given."""
    return np.full((*frame.shape[:2], 2), [float(frame[0, 0, 0]), float(other[0, 0, 0])], np.float32)


def pairs(flows):
    return [tuple(flow[0, 0].astype(int)) for flow in flows]


def test_every_frame_has_flow_to_the_next_and_the_last_to_the_one_before():
    frames = [np.full((4, 5, 3), t, np.uint8) for t in range(4)]
    assert pairs(iter_flow(frames, difference)) == [(0, 1), (1, 2), (2, 3), (3, 2)]
    assert pairs(iter_flow(frames[:2], difference, following=frames[2])) == [(0, 1), (1, 2)]
    assert pairs(iter_flow(frames[:1], difference, following=frames[1])) == [(0, 1)]
    assert pairs(iter_flow(frames[3:], difference, previous=frames[2])) == [(3, 2)]
    assert pairs(iter_flow(frames[2:], difference, previous=frames[1])) == [(2, 3), (3, 2)]
    assert not np.any(list(iter_flow(frames[:1], difference))) and list(iter_flow([], difference)) == []
    with pytest.raises(ValueError, match='must have one size'):
        list(iter_flow([frames[0], np.zeros((4, 6, 3), np.uint8)], difference))


def test_clips_with_a_look_ahead_frame_are_as_the_whole_video():
    rng = np.random.default_rng(0)
    frames = list(rng.integers(0, 255, (5, 24, 32, 3), dtype=np.uint8))
    dis = DISFlow(preset='ultrafast')
    whole = list(flow_images(frames, dis))
    parts = [*flow_images(frames[:2], dis, following=frames[2]), *flow_images(frames[2:], dis)]
    assert len(whole) == 5 and all(np.array_equal(a, b) for a, b in zip(whole, parts, strict=True))
