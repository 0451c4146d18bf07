"""Masks as words: packing, boundaries, dilation and counts against plain forms."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlvs.evaluation.functional import bit_masks
from mmlvs.evaluation.functional.davis import track_scores
from tests.plain import scores as plain


def draw(seed, height, width, number=2):
    rng = np.random.default_rng(seed)
    return rng.random((number, height, width)) < rng.choice([0, 0.01, 0.3, 0.9, 1], (number, 1, 1))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 200), st.sampled_from([0, 1, 2.5, 3, 8, 20, 70]))
def test_words_hold_the_masks(seed, height, width, radius):
    masks = draw(seed, height, width)
    words = bit_masks.pack(masks)
    assert (bit_masks.unpack(words, width) == masks).all()
    assert bit_masks.count_bits(words).tolist() == masks.sum(axis=(1, 2)).tolist()
    edges = np.stack([plain._edges(mask) for mask in masks])
    assert (bit_masks.unpack(bit_masks.boundaries(words, width), width) == edges).all()
    y, x = np.nonzero(masks[0])
    near = bit_masks.unpack(bit_masks.dilate(words, radius), width)[0]
    if len(y):
        rows, columns = np.mgrid[:height, :width]
        squares = ((rows[..., None] - y) ** 2 + (columns[..., None] - x) ** 2).min(axis=2)
        assert (near == (squares <= radius * radius)).all()
    else:
        assert not near.any()


def test_crop_keeps_all_pixels_and_the_place():
    masks = np.zeros((2, 50, 300), dtype=bool)
    masks[0, 10:20, 128:140], masks[1, 15, 130] = True, True
    part, (rows, columns) = bit_masks.crop(bit_masks.pack(masks))
    assert (rows, columns) == (slice(9, 21), slice(1, 3)) and part.shape == (2, 12, 2)
    assert bit_masks.count_bits(part).tolist() == [120, 1]
    assert bit_masks.crop(bit_masks.pack(masks * False))[0].shape == (2, 0, 0)


@pytest.mark.parametrize(('dilate', 'tolerance'), [(plain.dilate_cv2, 0.008), (plain.dilate_cv2, 0.4),
                                                   (plain.dilate_scipy, 0.03)])
def test_scores_are_those_of_the_plain_forms(dilate, tolerance):
    for seed, size in enumerate([(30, 40), (1, 65), (64, 1), (33, 129)]):
        pair = draw(seed, *size, number=4), draw(seed + 10, *size, number=4)
        got, want = (np.stack(form(*pair, tolerance=tolerance)) for form in
                     (track_scores, lambda *p, tolerance: plain.track_scores(*p, tolerance, dilate)))
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-9)


def test_counting_without_bitwise_count(monkeypatch):
    words = bit_masks.pack(draw(0, 9, 100))
    want = bit_masks.count_bits(words).tolist()
    monkeypatch.delattr(np, 'bitwise_count', raising=False)
    assert bit_masks.count_bits(words).tolist() == want
