"""Images as clips: repeated and warped."""

from pathlib import Path

import numpy as np
import pytest

from mmlvs.datasets import RefCOCODataset
from mmlvs.datasets.transforms import PseudoClip, RepeatFrame
from mmlvs.datasets.transforms.boxes import mask_boxes
from mmlvs.datasets.transforms.pseudo_clip import draw_warp, motion_kernel, warp_frame, warp_mask

SAMPLE = Path(__file__).parents[2] / 'data' / 'samples' / 'refer_data'
LOAD = [dict(type='LoadFrames'), dict(type='LoadMasks')]


def _results(seed=0):
    rng = np.random.default_rng(seed)
    image = np.full((1, 60, 80, 3), 128, np.uint8)
    masks = np.zeros((2, 1, 60, 80), np.uint8)
    masks[0, 0, 20:40, 30:50] = 1
    image[0][masks[0, 0] > 0] = (200, 30, 30)
    boxes, valid = mask_boxes(masks)
    return dict(frame_ids=['a'], frame_paths=['a.jpg'], frame_index=[0], key_frames=[0], frames=dict(img=image),
                rng=rng, img_shape=(60, 80), gt_masks=masks, gt_ignore=np.zeros((1, 60, 80), bool), gt_boxes=boxes,
                gt_valid=valid, gt_annotated=np.ones(1, bool), video_id='v')


def test_one_frame_is_the_image_and_the_others_move_with_their_masks():
    original = _results()
    places = set()
    for seed in range(6):
        results = PseudoClip(num_frames=4)(_results(seed))
        frames, masks = results['frames']['img'], results['gt_masks']
        assert frames.shape == (4, 60, 80, 3) and masks.shape == (2, 4, 60, 80)
        assert results['key_frames'] == [0, 1, 2, 3]
        same = [t for t in range(4) if (frames[t] == original['frames']['img'][0]).all()]
        assert len(same) == 1 and (masks[:, same[0]] == original['gt_masks'][:, 0]).all()
        places.add(same[0])
        boxes, valid = mask_boxes(masks)
        assert (results['gt_boxes'] == boxes).all() and (results['gt_valid'] == valid).all() and not valid[1].any()
        for t in range(4):  # the red square and its mask stay together
            red = frames[t, ..., 0].astype(int) - frames[t, ..., 1] > 60
            assert (red & (masks[0, t] > 0)).sum() > 0.8 * max(red.sum(), 1)
    assert len(places) > 1


def test_the_same_draws_give_the_same_clip():
    one, other = (PseudoClip(num_frames=3)(_results(5))['frames']['img'] for _ in range(2))
    assert (one == other).all()


def test_warps_stay_in_their_bounds():
    rng = np.random.default_rng(0)
    blurred = colours = 0
    for _ in range(300):
        warp = draw_warp((60, 80), rng)
        assert abs(warp.brightness) <= 40 and abs(warp.hue_saturation) <= 5 and 1 <= len(set(warp.steps)) <= 2
        blurred += warp.blur is not None
        colours += len(warp.steps)
    assert 45 <= blurred <= 105 and 400 <= colours <= 500
    for side, degrees in ((9, 0.0), (11, 37.0)):
        kernel = motion_kernel(side, degrees)
        assert kernel.shape == (side, side) and abs(kernel.sum() - 1) < 1e-5
    assert (motion_kernel(9, 0.0)[4] > 0.1).all()


def test_frame_and_mask_have_one_geometry():
    rng = np.random.default_rng(3)
    warp = draw_warp((60, 80), rng, brightness=0, hue_saturation=0, blur_prob=0)
    mask = np.zeros((60, 80), np.uint8)
    mask[15:45, 20:60] = 1
    frame = np.repeat(mask[..., None] * 255, 3, axis=2)
    moved = warp_frame(frame, warp)[..., 0] > 127
    assert (moved != (warp_mask(mask, warp) > 0)).mean() < 0.02


def test_as_a_pipeline_of_image_data():
    steps = [*LOAD, dict(type='PseudoClip', num_frames=3), dict(type='PackClip')]
    sample = RefCOCODataset(data_root=SAMPLE, pipeline=steps)[0]['data_samples']
    assert sample.gt_masks.shape == (1, 3, 60, 80) and sample.key_frames == [0, 1, 2]
    steps[2] = dict(type='RepeatFrame', num_frames=3)
    item = RefCOCODataset(data_root=SAMPLE, pipeline=steps)[0]
    assert (item['inputs']['img'] == item['inputs']['img'][:1]).all() and item['data_samples'].gt_valid.all()


def test_one_sentence_is_drawn():
    steps = [*LOAD, dict(type='DrawExpression'), dict(type='PackClip')]
    dataset = RefCOCODataset(data_root=SAMPLE, text='raw', unit='object', pipeline=steps)
    drawn = {dataset.get_item(0, epoch=e)['data_samples'].texts[0] for e in range(20)}
    assert drawn == {'THE LADY WITH THE BLUE SHIRT', 'lady w back to us', '  blue  shirt '}
    sample = dataset[0]['data_samples']
    assert sample.num_expressions == 1 and sample.gt_objects == [[0]]


def test_refused():
    with pytest.raises(ValueError, match='num_frames 0'):
        PseudoClip(num_frames=0)
    with pytest.raises(ValueError, match='num_frames 0'):
        RepeatFrame(num_frames=0)
    results = RepeatFrame(num_frames=2)(_results())
    with pytest.raises(ValueError, match='expected a single image, found 2'):
        RepeatFrame(num_frames=2)(results)
