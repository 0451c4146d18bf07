import cv2
import numpy as np
import pytest

from mmlvs.visualization import dim, heat_colors, heat_scale, overlay_saliency


def lightness(colors):
    """L* of Lab, (N,)."""
    return cv2.cvtColor(colors[None].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0, :, 0]


def test_colours_are_ordered_by_lightness():
    colors = heat_colors()
    light = lightness(colors)
    assert colors.shape == (256, 3) and colors.dtype == np.uint8
    assert np.diff(light[::8]).min() > 0 and light[-1] - light[0] > 70
    assert 100 - light[-1] > 15  # a white line is seen on the lightest


def test_strength_grows_with_the_level():
    frame = np.random.default_rng(0).integers(0, 256, (16, 256, 3), dtype=np.uint8)
    before = frame.copy()
    soft = np.tile(np.arange(256, dtype=np.uint8), (16, 1))
    drawn = overlay_saliency(frame, soft, threshold=None, alpha=0.8)
    np.testing.assert_array_equal(frame, before)
    np.testing.assert_array_equal(drawn[:, 0], dim(frame, brightness=0.4, saturation=0.0)[:, 0])  # level 0: no heat
    below = dim(frame, brightness=0.4, saturation=0.0)[:, 255]
    np.testing.assert_allclose(drawn[:, 255], 0.2 * below + 0.8 * heat_colors()[255], atol=0.51)
    spread = drawn.astype(int).std(axis=0).mean(axis=1)  # of the scene, which shines through less and less
    assert spread[:32].mean() > spread[96:128].mean() > spread[-32:].mean() > 0


def test_line_lies_at_the_threshold():
    soft = np.zeros((20, 30), np.uint8)
    soft[4:16, 5:25], soft[8:12, 10:20] = 100, 200
    for threshold, inside in ((90, (4, 15)), (150, (8, 15))):
        drawn = overlay_saliency(np.zeros((20, 30, 3), np.uint8), soft, threshold=threshold)
        assert (drawn[inside] == 255).all() and (drawn == 255).all(-1).sum() == 2 * sum(
            (soft > threshold).any(axis).sum() for axis in (0, 1)) - 4
    assert not (overlay_saliency(np.zeros((20, 30, 3), np.uint8), soft, threshold=200) == 255).any()  # above, not at


def test_scale_shows_levels_and_threshold():
    scale = heat_scale(96, threshold=64)
    assert scale.shape[0] == 96
    np.testing.assert_array_equal(scale[[0, -1], 0], heat_colors()[[255, 0]])
    assert (scale[:, 0] == 255).all(-1).nonzero()[0].tolist() == [round(191 / 255 * 95)]
    assert not (heat_scale(96, threshold=None)[:, 0] == 255).all(-1).any()


@pytest.mark.parametrize(('frame', 'soft', 'alpha', 'message'), [
    (np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8), 0.5, 'expected a frame'),
    (np.zeros((8, 8, 3), np.uint8), np.zeros((8, 7), np.uint8), 0.5, 'as large as the frame'),
    (np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.float32), 0.5, 'found float32'),
    (np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8), 1.5, 'alpha'),
])
def test_explains(frame, soft, alpha, message):
    with pytest.raises(ValueError, match=message):
        overlay_saliency(frame, soft, alpha=alpha)
