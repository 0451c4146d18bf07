"""Sine position encodings against their formula, cell by cell."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlvs.models.layers import ClipPositionEncoding, FramePositionEncoding, TextPositionEncoding


def wave(position, features, temperature=10000.0):
    angles = [position / temperature**(2 * (i // 2) / features) for i in range(features)]
    return [math.cos(angle) if i % 2 else math.sin(angle) for i, angle in enumerate(angles)]


def padded_masks(batch, height, width, seed):
    generator = torch.Generator().manual_seed(seed)
    padding = torch.zeros(batch, height, width, dtype=torch.bool)
    for i in range(batch):
        padding[i, int(torch.randint(1, height + 1, (), generator=generator)):] = True
        padding[i, :, int(torch.randint(1, width + 1, (), generator=generator)):] = True
    return padding


@settings(max_examples=15, deadline=None)
@given(
    height=st.integers(1, 6), width=st.integers(1, 6), half=st.integers(1, 4), normalize=st.booleans(),
    seed=st.integers(0, 99))
def test_frames(height, width, half, normalize, seed):
    features = 2 * half
    padding = padded_masks(2, height, width, seed)
    got = FramePositionEncoding(num_features=features, normalize=normalize)(padding)
    assert got.shape == (2, 2 * features, height, width) and got.dtype == torch.float32
    valid = ~padding
    for n in range(2):
        for i in range(height):
            for j in range(width):
                y, x = int(valid[n, :i + 1, j].sum()), int(valid[n, i, :j + 1].sum())
                if normalize:
                    y = (y - 0.5) / (int(valid[n, :, j].sum()) + 1e-6) * 2 * math.pi
                    x = (x - 0.5) / (int(valid[n, i].sum()) + 1e-6) * 2 * math.pi
                if abs(x) < 100 and abs(y) < 100:  # a line of padding alone has huge positions of no meaning
                    want = torch.tensor(wave(y, features) + wave(x, features))
                    torch.testing.assert_close(got[n, :, i, j], want, rtol=0, atol=2e-5)


def test_text_has_no_half_step_and_keeps_the_last_position_under_padding():
    padding = torch.tensor([[False, False, False, True, True]])
    got = TextPositionEncoding(num_features=6)(padding)
    assert got.shape == (1, 6, 5)
    for k, count in enumerate((1, 2, 3, 3, 3)):
        want = torch.tensor(wave(count / (3 + 1e-6) * 2 * math.pi, 6))
        torch.testing.assert_close(got[0, :, k], want, rtol=0, atol=1e-5)


def test_clip_blocks_are_frame_then_row_then_column():
    padding = torch.zeros(1, 2, 3, 4, dtype=torch.bool)
    got = ClipPositionEncoding(num_features=4)(padding)
    assert got.shape == (1, 2, 12, 3, 4)
    full = 2 * math.pi
    want = wave(2 / 2 * full, 4) + wave(1 / 3 * full, 4) + wave(3 / 4 * full, 4)
    torch.testing.assert_close(got[0, 1, :, 0, 2], torch.tensor(want), rtol=0, atol=1e-5)


def test_padding_beyond_a_frame_does_not_move_its_positions():
    encoding = FramePositionEncoding(num_features=4)
    small = encoding(torch.zeros(1, 3, 5, dtype=torch.bool))
    padding = torch.ones(1, 4, 8, dtype=torch.bool)
    padding[:, :3, :5] = False
    assert torch.equal(encoding(padding)[:, :, :3, :5], small)


def test_float32_whatever_the_default():
    torch.set_default_dtype(torch.float64)
    try:
        encoding = TextPositionEncoding(num_features=8)(torch.zeros(1, 3, dtype=torch.bool))
    finally:
        torch.set_default_dtype(torch.float32)
    assert encoding.dtype == torch.float32
    assert torch.equal(encoding, TextPositionEncoding(num_features=8)(torch.zeros(1, 3, dtype=torch.bool)))


def test_an_odd_number_of_features_is_refused():
    with pytest.raises(ValueError, match='even'):
        FramePositionEncoding(num_features=5)
