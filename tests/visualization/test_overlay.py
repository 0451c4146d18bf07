import numpy as np
import pytest

from mmlvs.visualization import add_caption, dim, mask_colors, overlay_masks, overlay_video, spotlight
from mmlvs.visualization.overlay import enlarge, font, wrap_text


def test_colours_differ():
    colors = mask_colors(20)
    assert colors.shape == (20, 3) and len(np.unique(colors, axis=0)) == 20
    assert mask_colors(0).shape == (0, 3)


def test_overlay_blends_inside_only():
    frame = np.full((20, 30, 3), 100, np.uint8)
    mask = np.zeros((20, 30), bool)
    mask[5:15, 10:20] = True
    drawn = overlay_masks(frame, mask, colors=np.array([[200, 0, 50]]), alpha=0.25, contour=0)
    assert (frame == 100).all()
    assert (drawn[~mask] == 100).all()
    assert (drawn[mask] == [125, 75, 88]).all()
    lined = overlay_masks(frame, mask, colors=np.array([[200, 0, 50]]), alpha=0.25, contour=1)
    assert (lined[5, 10:20] == [200, 0, 50]).all() and (lined[10, 15] == [125, 75, 88]).all()


def test_later_masks_lie_on_top():
    frame = np.zeros((8, 8, 3), np.uint8)
    masks = np.ones((2, 8, 8), bool)
    drawn = overlay_masks(frame, masks, colors=np.array([[250, 0, 0], [0, 250, 0]]), alpha=1.0, contour=0)
    assert (drawn == [0, 250, 0]).all()
    np.testing.assert_array_equal(overlay_masks(frame, np.zeros((0, 8, 8), bool)), frame)


@pytest.mark.parametrize(('masks', 'settings', 'message'), [
    (np.ones((8, 7), bool), {}, 'as large as the frame'),
    (np.ones((8, 8), np.uint8), {}, 'boolean'),
    (np.ones((8, 8), bool), {'alpha': 2}, 'alpha'),
    (np.ones((2, 8, 8), bool), {'colors': [[1, 2, 3]]}, 'one colour a mask'),
])
def test_overlay_explains(masks, settings, message):
    with pytest.raises(ValueError, match=message):
        overlay_masks(np.zeros((8, 8, 3), np.uint8), masks, **settings)


def test_caption_is_wrapped_and_visible():
    image = np.zeros((40, 120, 3), np.uint8)
    text = 'the large red star that moves to the left and then stops'
    captioned = add_caption(image, text, color=(255, 0, 0))
    assert captioned.shape[0] > 40 + 3 * 14 and captioned.shape[1] == 120
    np.testing.assert_array_equal(captioned[:40], image)
    band = captioned[40:].astype(int)
    assert (band[..., 0] > 150).sum() > 100  # red letters
    assert (band[:, -1] == 24).all()  # nothing runs over the edge
    assert add_caption(image, text, lines=2).shape[0] == 40 + 2 * 19 + 6


def test_wrapping_loses_no_word():
    text = 'one two three four five six seven'
    for width in (30, 60, 200):
        lines = wrap_text(text, width=width, size=12)
        assert ' '.join(lines) == text
        assert all(font(12).getlength(line) <= width for line in lines if ' ' in line)
    assert wrap_text('a\nb', width=100, size=12) == ['a', 'b']
    assert wrap_text('', width=100, size=12) == ['']


def test_video_has_frames_of_one_size():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (4, 32, 48, 3), dtype=np.uint8)
    masks = rng.random((2, 4, 32, 48)) > 0.5
    pictures = list(overlay_video(frames, masks, texts=['the circle', 'the star'], scale=2, contour=0))
    assert len(pictures) == 4 and len({picture.shape for picture in pictures}) == 1
    assert pictures[0].shape[1] == 96 and pictures[0].shape[0] > 64
    outside = ~enlarge(masks[:, 1].any(0), 2)
    np.testing.assert_array_equal(pictures[1][:64][outside & ~enlarge(masks[0, 1], 2)],
                                  enlarge(frames[1], 2)[outside & ~enlarge(masks[0, 1], 2)])
    wide = next(iter(overlay_video(frames, masks, texts=['the circle', 'the star'], contour=0, beside=True)))
    np.testing.assert_array_equal(wide[:32, :48], frames[0])
    neither = ~masks[:, 0].any(0)
    np.testing.assert_array_equal(wide[:32, 48:][neither], dim(frames[0])[neither])
    with pytest.raises(ValueError, match='expected masks'):
        list(overlay_video(frames, masks[:, :3], texts=['a', 'b']))
    with pytest.raises(ValueError, match='scale'):
        list(overlay_video(frames, masks, texts=['a', 'b'], scale=0))


def test_spotlight_keeps_the_inside():
    frame = np.random.default_rng(0).integers(0, 255, (16, 24, 3), dtype=np.uint8)
    mask = np.zeros((16, 24), bool)
    mask[4:12, 6:18] = True
    shown = spotlight(frame, mask, color=(255, 0, 0), contour=0)
    np.testing.assert_array_equal(shown[mask], frame[mask])
    np.testing.assert_array_equal(shown[~mask], dim(frame)[~mask])
    assert dim(frame).max() < 128
    assert (np.ptp(dim(frame, saturation=0.0), axis=2) == 0).all() and np.ptp(dim(frame), axis=2).max() > 20
    assert (spotlight(frame, mask, color=(255, 0, 0), contour=1)[4, 6:18] == [255, 0, 0]).all()
