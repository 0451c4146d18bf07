"""Colours: identity, ranges, overflow, one draw per frame or per clip."""

import numpy as np
import pytest

from mmlvs.datasets.transforms import PhotometricDistortClip
from mmlvs.datasets.transforms.photometric import PhotometricDraw, distort_frame, distort_frame_in_steps

FRAME = np.random.default_rng(0).integers(0, 256, (8, 9, 3)).astype(np.uint8)


def _run(step, frames, seed=0):
    results = step(dict(frames=dict(img=frames), rng=np.random.default_rng(seed)))
    return results['frames']['img']


def test_nothing_drawn_changes_at_most_rounding():
    assert np.abs(distort_frame(FRAME, PhotometricDraw()).astype(int) - FRAME).max() <= 1


def test_overflow():
    bright = PhotometricDraw(brightness=100.0)
    assert distort_frame(np.full((2, 2, 3), 200, np.uint8), bright).tolist() == np.full((2, 2, 3), 255).tolist()
    assert distort_frame(np.full((2, 2, 3), 200, np.uint8), bright, 'wrap').tolist() == np.full((2, 2, 3), 44).tolist()


def test_contrast_before_and_after_the_colours_and_channels():
    grey = np.full((1, 1, 3), (10, 20, 30), np.uint8)
    draw = PhotometricDraw(brightness=10.0, contrast=2.0, contrast_first=True, channel_order=(2, 0, 1))
    np.testing.assert_allclose(distort_frame(grey, draw)[0, 0], (80, 40, 60), atol=1)
    saturated = PhotometricDraw(saturation=0.0, contrast=2.0, contrast_first=False)
    np.testing.assert_allclose(distort_frame(grey, saturated)[0, 0], (60, 60, 60), atol=1)


def test_hue_goes_round_the_circle():
    red_as_blue = np.zeros((1, 1, 3), np.uint8)
    red_as_blue[..., 0] = 255  # read as blue: hue 240
    for shift, channel in ((120.0, 2), (-240.0, 2), (-120.0, 1)):
        got = distort_frame(red_as_blue, PhotometricDraw(hue=shift))[0, 0]
        assert got.argmax() == channel and got[channel] >= 254 and np.delete(got, channel).max() <= 1


def test_per_frame_or_per_clip():
    frames = np.stack([FRAME] * 4)
    per_frame = _run(PhotometricDistortClip(), frames)
    assert per_frame.dtype == np.uint8 and any((per_frame[0] != f).any() for f in per_frame[1:])
    once = _run(PhotometricDistortClip(per_frame=False), frames, seed=1)
    assert (once == once[:1]).all() and (once != frames).any()


def test_ranges_of_the_draw():
    step, rng = PhotometricDistortClip(), np.random.default_rng(0)
    draws = [step.draw(rng) for _ in range(400)]
    ranges = dict(brightness=(-32, 32), contrast=(0.5, 1.5), saturation=(0.5, 1.5), hue=(-18, 18))
    for name, (low, high) in ranges.items():
        values = [getattr(d, name) for d in draws if getattr(d, name) is not None]
        assert 140 < len(values) < 260 and low <= min(values) < low + (high - low) / 10 < max(values) <= high
    assert len({d.channel_order for d in draws}) == 7 and {d.contrast_first for d in draws} == {True, False}
    mild = PhotometricDistortClip(brightness=0, contrast=None, saturation=None, hue=0, permute_channels=False)
    assert all(mild.draw(rng) in (PhotometricDraw(), PhotometricDraw(contrast_first=False)) for _ in range(20))


def test_probability_and_errors():
    frames = np.stack([FRAME] * 2)
    assert (_run(PhotometricDistortClip(prob=0.0), frames) == frames).all()
    with pytest.raises(ValueError, match="overflow 'saturate'"):
        PhotometricDistortClip(overflow='saturate')
    with pytest.raises(ValueError, match='prob 2'):
        PhotometricDistortClip(prob=2)
    with pytest.raises(ValueError, match='expected uint8 frames, found float32'):
        _run(PhotometricDistortClip(), frames.astype(np.float32))


def test_steps_that_each_end_in_bytes():
    """Brightness saturates before contrast takes it back; hue has 180 steps and goes round."""
    bright = PhotometricDraw(brightness=100.0, contrast=0.5, contrast_first=True)
    assert (distort_frame_in_steps(np.full((2, 2, 3), 200, np.uint8), bright) == 127).all()  # 255 / 2, truncated
    assert np.array_equal(distort_frame_in_steps(FRAME, PhotometricDraw()), FRAME)  # not even through other colours
    half, back = (distort_frame_in_steps(FRAME, PhotometricDraw(hue=h)) for h in (90, -90))
    assert np.array_equal(half, back) and not np.array_equal(half, FRAME)
    step = PhotometricDistortClip(in_steps=True, permute_channels=False)
    hues = [step.draw(np.random.default_rng(seed)).hue for seed in range(200)]
    drawn = {hue for hue in hues if hue is not None}
    assert min(drawn) == -18 and max(drawn) == 17 and all(hue == int(hue) for hue in drawn)
    with pytest.raises(ValueError, match='in_steps always clips'):
        PhotometricDistortClip(in_steps=True, overflow='wrap')
