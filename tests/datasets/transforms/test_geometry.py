"""Geometry keeps frames, masks, boxes and sentences together, whatever is drawn."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlvs.datasets.transforms import MarkVisible, RandomCropClip, RandomFlipClip, RandomResizeClip, ResizeClip
from mmlvs.datasets.transforms.boxes import (
    box_area,
    crop_boxes,
    flip_boxes,
    mask_boxes,
    normalise_boxes,
    resize_boxes,
)


def clip(rectangles, size=(60, 80), seed=0, text='a'):
    """A clip whose object o is painted in channel o: rectangles (O, T) of (top, left, height, width), None = absent."""
    num_objects, num_frames = len(rectangles), len(rectangles[0])
    frames = np.zeros((num_frames, *size, 3), np.uint8)
    masks = np.zeros((num_objects, num_frames, *size), np.uint8)
    for o, row in enumerate(rectangles):
        for t, rectangle in enumerate(row):
            if rectangle is not None:
                top, left, height, width = rectangle
                masks[o, t, top:top + height, left:left + width] = 1
                frames[t, ..., o][masks[o, t] > 0] = 255
    boxes, valid = mask_boxes(masks)
    return dict(video_id='v', frames=dict(img=frames), gt_masks=masks, gt_boxes=boxes, gt_valid=valid,
                gt_ignore=frames[..., 2] > 0, gt_annotated=np.ones(num_frames, bool), texts=[text], noun_chunks=[[]],
                ori_shape=size, img_shape=size, scale_factor=(1.0, 1.0), flip=False, rng=np.random.default_rng(seed))


SIDE = st.integers(10, 20)
RECTANGLE = st.one_of(st.none(), st.tuples(st.integers(0, 40), st.integers(0, 60), SIDE, SIDE))
STEPS = dict(
    flip=RandomFlipClip(prob=1.0),
    crop=RandomCropClip(min_side=24, max_side=60),
    resize=RandomResizeClip(short_sides=[32, 48, 90], max_long_side=100),
    fixed=ResizeClip(size=(50, 70)),
)


def _agree(colour, mask, radius):
    """Painted colour and mask agree up to ``radius`` pixels at the edges, where interpolation mixes.

    What lies beyond the frame is unknown after a crop, so that near its border only agreement inside the mask counts.
    """
    painted = (colour > 127).astype(np.uint8)
    kernel = np.ones((2 * radius + 1,) * 2, np.uint8)
    inner = cv2.erode(mask, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    outer = cv2.dilate(mask, kernel)
    for axis in range(2):
        border = np.arange(mask.shape[axis])
        near = (border < radius) | (border >= mask.shape[axis] - radius)
        outer[(near, slice(None)) if axis == 0 else (slice(None), near)] = 1
    return not (inner & ~painted & 1).any() and not (painted & ~outer & 1).any()


@settings(max_examples=80, deadline=None)
@given(rectangles=st.lists(st.lists(RECTANGLE, min_size=2, max_size=2), min_size=1, max_size=2),
       steps=st.lists(st.sampled_from(sorted(STEPS)), max_size=4), seed=st.integers(0, 2**31),
       recompute=st.booleans())
def test_frames_masks_and_boxes_stay_aligned(rectangles, steps, seed, recompute):
    got = clip(rectangles, seed=seed)
    edge = off = 0.0  # pixels by which colours at edges, and boxes without + 1, may differ from masks
    for name in steps:
        old = got['img_shape']
        got = STEPS[name](got)
        resized = name in ('resize', 'fixed')
        scale = max(n / o for n, o in zip(got['img_shape'], old, strict=True)) if resized else 1.0
        edge = edge * scale + resized * (scale + 1)
        off = off * scale + abs(scale - 1) + 1
    got = MarkVisible(recompute_boxes=recompute)(got)
    frames, masks, boxes = got['frames']['img'], got['gt_masks'], got['gt_boxes']
    height, width = got['img_shape']
    assert frames.shape == (2, height, width, 3) and masks.shape == (len(rectangles), 2, height, width)
    assert got['gt_ignore'].shape == (2, height, width)
    for o in range(len(rectangles)):
        for t in range(2):
            assert _agree(np.ascontiguousarray(frames[t, ..., o]), np.ascontiguousarray(masks[o, t]), round(edge))
    extremes, visible = mask_boxes(masks)
    assert (got['gt_valid'] == visible).all() and not boxes[~visible].any()
    if recompute:
        assert (boxes == extremes).all()
    else:
        assert np.abs(boxes - extremes)[visible].max(initial=0) <= off + 1e-3
    assert (boxes >= 0).all() and (boxes <= np.array([width, height] * 2) + 1e-3).all()
    assert got['flip'] == (steps.count('flip') % 2 == 1)


@settings(max_examples=60, deadline=None)
@given(rectangle=RECTANGLE, seed=st.integers(0, 2**31))
def test_crop_is_exact(rectangle, seed):
    start = clip([[rectangle, rectangle]], seed=seed)
    rows, cols = np.mgrid[0:60, 0:80].astype(np.uint8)
    painted = [np.stack([rows, cols, start['gt_masks'][0, t] * 255], axis=-1) for t in range(2)]
    start['frames']['img'] = np.stack(painted)
    boxes = start['gt_boxes'].copy()
    got = RandomCropClip(min_side=24, max_side=60)(start)
    height, width = got['img_shape']
    frames = got['frames']['img']
    assert 24 <= height <= 60 and 24 <= width <= 60
    assert ((frames[..., 2] > 0) == (got['gt_masks'][0] > 0)).all()
    top, left = int(frames[0, 0, 0, 0]), int(frames[0, 0, 0, 1])
    assert (frames[1, -1, -1, :2] == (top + height - 1, left + width - 1)).all()
    assert (got['gt_boxes'] == crop_boxes(boxes, top, left, height, width)).all()


def test_crop_of_small_frames_keeps_them():
    got = RandomCropClip(min_side=100, max_side=200)(clip([[(1, 1, 10, 10)]]))
    assert got['img_shape'] == (60, 80) and got['gt_masks'].shape[-2:] == (60, 80)


def test_one_draw_for_all_frames_and_only_from_the_generator():
    for step in STEPS.values():
        np.random.seed(0)
        a = step(clip([[(5, 5, 20, 20)] * 3], seed=3))
        np.random.seed(1)
        b = step(clip([[(5, 5, 20, 20)] * 3], seed=3))
        assert (a['frames']['img'] == b['frames']['img']).all() and (a['gt_masks'] == b['gt_masks']).all()
        assert (a['gt_masks'][0] == a['gt_masks'][0, :1]).all()


def test_resize_sizes_and_test_time_truth():
    got = ResizeClip(short_side=30, max_long_side=35)(clip([[(5, 5, 20, 20)]]))
    assert got['img_shape'] == (26, 34) and got['scale_factor'] == (34 / 80, 26 / 60)
    got = ResizeClip(short_side=30, resize_gt=False)(clip([[(5, 5, 20, 20)]]))
    assert got['frames']['img'].shape[1:3] == (30, 40) and got['gt_masks'].shape[-2:] == (60, 80)
    assert got['gt_boxes'].tolist() == [[[5, 5, 24, 24]]] and got['ori_shape'] == (60, 80)
    with pytest.raises(ValueError, match='ground truth at its original size'):
        RandomCropClip(min_side=10, max_side=10)(got)


def test_flip_exchanges_words():
    chunks = [[(0, 12)]]
    for words, text, moved in (('whole', 'the right bright dog', [[(0, 13)]]),
                               ('substring', 'the right bleft dog', [[]]),
                               ('keep', 'the left bright dog', chunks)):
        start = clip([[(5, 5, 20, 20)]], text='the left bright dog')
        start['noun_chunks'] = chunks
        got = RandomFlipClip(prob=1.0, words=words)(start)
        assert got['texts'] == [text] and got['noun_chunks'] == moved and got['flip']
    kept = RandomFlipClip(prob=0.0)(clip([[(5, 5, 20, 20)]], text='left'))
    assert kept['texts'] == ['left'] and not kept['flip']


def test_flip_leaves_absent_boxes_zero():
    got = RandomFlipClip(prob=1.0)(clip([[(5, 5, 20, 20), None]]))
    assert got['gt_boxes'][0].tolist() == [[56, 5, 75, 24], [0, 0, 0, 0]]


def test_thin_objects_count_by_masks_and_not_by_boxes():
    start = clip([[(5, 5, 20, 1), None]])
    assert MarkVisible()(dict(start))['gt_valid'].tolist() == [[True, False]]
    got = MarkVisible(by='boxes')(dict(start))
    assert got['gt_valid'].tolist() == [[False, False]] and not got['gt_boxes'].any()


def test_clips_without_masks_pass():
    for step in (*STEPS.values(), MarkVisible()):
        start = {k: v for k, v in clip([[(5, 5, 20, 20)]]).items() if not k.startswith('gt_')}
        got = step(start)
        assert got['frames']['img'].shape[1:3] == tuple(got['img_shape']) and 'gt_masks' not in got


def test_streams_share_the_geometry():
    start = clip([[(5, 5, 20, 20)]])
    start['frames']['teacher_img'] = start['frames']['img'].copy()
    start['frames']['flow'] = np.zeros((0, 4, 4, 3), np.uint8)
    got = RandomCropClip(min_side=30, max_side=50)(start)
    assert (got['frames']['teacher_img'] == got['frames']['img']).all() and len(got['frames']['flow']) == 0
    got['frames']['global_img'] = np.zeros((2, 99, 99, 3), np.uint8)
    with pytest.raises(ValueError, match="stream 'global_img'"):
        RandomFlipClip(prob=1.0)(got)


@pytest.mark.parametrize('make', [
    lambda: ResizeClip(), lambda: RandomResizeClip(short_sides=[]), lambda: RandomCropClip(min_side=5, max_side=4),
    lambda: RandomFlipClip(prob=2), lambda: RandomFlipClip(words='all'), lambda: MarkVisible(by='sight'),
])
def test_wrong_settings(make):
    with pytest.raises(ValueError, match='Clip|MarkVisible'):
        make()


def test_box_arithmetic():
    masks = np.zeros((2, 6, 9), np.uint8)
    masks[0, 2:5, 3:8] = 7
    boxes, valid = mask_boxes(masks)
    assert boxes.tolist() == [[3, 2, 7, 4], [0, 0, 0, 0]] and valid.tolist() == [True, False]
    assert boxes.dtype == np.float32 and box_area(boxes).tolist() == [8, 0]
    assert flip_boxes(boxes, 9).tolist() == [[2, 2, 6, 4], [9, 0, 9, 0]]
    assert resize_boxes(boxes, (6, 9), (12, 3)).tolist()[0] == [1, 4, pytest.approx(7 / 3), 8]
    assert normalise_boxes(boxes, (6, 9))[0] == pytest.approx([5 / 9, 3 / 6, 4 / 9, 2 / 6])
