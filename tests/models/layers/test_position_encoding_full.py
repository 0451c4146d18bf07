"""Sine position encodings against MMDetection's."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlvs.models.layers import ClipPositionEncoding, FramePositionEncoding, TextPositionEncoding

pytestmark = pytest.mark.full
OPTIONS = dict(half=st.integers(1, 8), temperature=st.sampled_from((20, 10000)), normalize=st.booleans(),
               seed=st.integers(0, 999))


def paddings(count, height, width):
    """Masks (count, h, w) with one to all rows and columns valid, True = padding."""
    rows, columns = torch.randint(1, height + 1, (count, 1, 1)), torch.randint(1, width + 1, (count, 1, 1))
    return (torch.arange(height)[:, None] >= rows) | (torch.arange(width) >= columns)


def theirs(padding, features, offset=0.0, **options):
    from mmdet.models.layers import SinePositionalEncoding
    return SinePositionalEncoding(num_feats=features, offset=offset, **options)(padding)


def same(a, b):
    torch.testing.assert_close(a, b, rtol=0, atol=2e-5)  # float32 on both sides, angles up to 2 pi or the last cell


@settings(max_examples=30, deadline=None)
@given(**OPTIONS, height=st.integers(1, 20), width=st.integers(1, 20), offset=st.sampled_from((0.0, -0.5)),
       scale=st.sampled_from((1.0, 6.25)), eps=st.sampled_from((1e-6, 1e-3)))
def test_frames(half, temperature, normalize, seed, height, width, offset, scale, eps):
    torch.manual_seed(seed)
    padding = paddings(3, height, width)
    options = dict(temperature=temperature, normalize=normalize, scale=scale, eps=eps, offset=offset)
    ours = FramePositionEncoding(num_features=2 * half, **options)(padding)
    same(ours, theirs(padding, 2 * half, **options))


@settings(max_examples=15, deadline=None)
@given(**OPTIONS, words=st.integers(1, 20))
def test_words_are_the_columns_of_a_map_of_one_row(half, temperature, normalize, seed, words):
    torch.manual_seed(seed)
    padding = paddings(3, 1, words)[:, 0]
    options = dict(temperature=temperature, normalize=normalize)
    ours = TextPositionEncoding(num_features=2 * half, **options)(padding)
    same(ours, theirs(padding[:, None], 2 * half, **options)[:, 2 * half:, 0])


@settings(max_examples=15, deadline=None)
@given(**OPTIONS, frames=st.integers(1, 6), height=st.integers(1, 9), width=st.integers(1, 9))
def test_clips_are_frames_with_a_channel_of_time(half, temperature, normalize, seed, frames, height, width):
    torch.manual_seed(seed)
    padding = paddings(2, height, width)[:, None].repeat(1, frames, 1, 1)
    padding[0, frames - frames // 3:] = True  # a shorter clip
    options = dict(temperature=temperature, normalize=normalize)
    ours = ClipPositionEncoding(num_features=2 * half, **options)(padding)
    assert ours.shape == (2, frames, 6 * half, height, width)
    for t in range(frames):
        same(ours[:, t, 2 * half:], theirs(padding[:, t], 2 * half, **options))
    # time of every pixel: the rows of a map T x (h w)
    time = theirs(padding.flatten(2), 2 * half, **options)[:, :2 * half].unflatten(-1, (height, width))
    same(ours[:, :, :2 * half], time.transpose(1, 2))  # B F T h w -> B T F h w
