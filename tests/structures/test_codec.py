"""There and back: sizes, pixels, masks and boxes."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mmlvs.structures import ClipCodec
from mmlvs.structures.codec import short_side_size


@pytest.mark.parametrize(('size', 'expected'), [
    ((480, 854), (360, 640)), ((854, 480), (640, 360)), ((360, 500), (360, 500)), ((100, 1000), (64, 640))])
def test_short_side_rule(size, expected):
    assert short_side_size(size, 360, 640) == expected


@given(st.tuples(st.integers(8, 90), st.integers(8, 90)), st.tuples(st.integers(4, 90), st.integers(4, 90)))
@settings(max_examples=40, deadline=None)
def test_masks_are_resized_like_torch_nearest(size, target):
    masks = np.random.default_rng(0).integers(0, 2, (2, *size)).astype(np.uint8)
    expected = F.interpolate(torch.from_numpy(masks)[None].float(), size=target, mode='nearest')[0].numpy()
    assert np.array_equal(ClipCodec.resize_masks(masks, target), expected)


def test_frames_are_resized_like_pillow():
    frames = np.random.default_rng(0).integers(0, 256, (2, 45, 70, 3)).astype(np.uint8)
    codec = ClipCodec(short_side=24)
    size = codec.target_size((45, 70))
    expected = np.stack([np.asarray(Image.fromarray(f).resize((37, 24), Image.Resampling.BILINEAR)) for f in frames])
    assert size == (24, 37) and np.array_equal(codec.resize_frames(frames, size), expected)


@pytest.mark.parametrize('way', ['direct', 'crop_first', 'upsample_crop_nearest'])
def test_a_mask_comes_back_where_it_was(way):
    codec = ClipCodec(way_back=way, frames_at_once=2)
    logits = torch.full((3, 24, 32), -9.0)  # 96 x 128 padded input
    logits[:, 6:12, 8:20] = 9.0
    size = (96, 128) if way == 'direct' else (90, 120)
    back = codec.restore_masks(logits, img_shape=size, ori_shape=(2 * size[0], 2 * size[1]))
    expected = torch.zeros_like(back)
    expected[:, 48:96, 64:160] = True
    both, either = (back & expected).sum(), (back | expected).sum()
    assert back.dtype == torch.bool and both / either > 0.95
    prob = codec.restore_masks(logits, img_shape=size, ori_shape=back.shape[-2:], return_prob=True)
    assert torch.equal(back, prob > 0.5)
    assert codec.restore_masks(logits[:0], img_shape=size, ori_shape=(5, 7)).shape == (0, 5, 7)


def test_boxes_come_back_in_pixels():
    boxes = ClipCodec.restore_boxes(torch.tensor([[0.5, 0.25, 0.5, 0.5]]), ori_shape=(100, 200))
    assert boxes.tolist() == [[50.0, 0.0, 150.0, 50.0]]


def test_normalize_takes_bytes_and_floats():
    codec = ClipCodec()
    frames = torch.randint(0, 256, (2, 3, 4, 5), dtype=torch.uint8)
    assert torch.allclose(codec.normalize(frames), codec.normalize(frames.float() / 255))
    assert codec.padded_size([(33, 64), (20, 65)]) == (64, 96)


@pytest.mark.parametrize('bad', [dict(size=(3, 4), short_side=3), dict(max_long_side=3), dict(resizer='cubic'),
                                 dict(way_back='up'), dict(mean=None), dict(pad_divisor=0)])
def test_contradictory_settings_are_refused(bad):
    with pytest.raises(ValueError, match='ClipCodec'):
        ClipCodec(**bad)


@given(st.tuples(st.integers(1, 90), st.integers(1, 90)), st.tuples(st.integers(1, 90), st.integers(1, 90)))
@settings(max_examples=40, deadline=None)
def test_masks_are_resized_like_pillow_if_asked_for(size, target):
    masks = np.random.default_rng(0).integers(0, 256, (2, *size)).astype(np.uint8)
    expected = np.stack([np.asarray(Image.fromarray(m).resize(target[::-1], Image.Resampling.NEAREST)) for m in masks])
    assert np.array_equal(ClipCodec.resize_masks(masks, target, 'pillow'), expected)
    with pytest.raises(ValueError, match="mask_resizer 'opencv'"):
        ClipCodec(mask_resizer='opencv')
