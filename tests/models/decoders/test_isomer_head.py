"""Isomer's head."""

import pytest
import torch

from mmlvs.models.decoders import IsomerHead

CHANNELS = (4, 6, 8, 10)


def levels(height, width, batch=2):
    torch.manual_seed(0)
    return [torch.randn(batch, c, -(-height // 2**i), -(-width // 2**i)) for i, c in enumerate(CHANNELS)]


@pytest.mark.parametrize('size', [(6, 9), (9, 6), (8, 8), (5, 16)])
def test_maps_keep_their_ratio_or_are_square_as_released(size):
    for square in (False, True):
        head = IsomerHead(in_channels=CHANNELS, channels=8, square_upsampling=square).eval()
        height, width = size
        assert head(levels(*size)).shape == (2, 1, 4 * (width if square else height), 4 * width)


def test_on_square_maps_both_are_the_same():
    torch.manual_seed(0)
    ours = IsomerHead(in_channels=CHANNELS, channels=8).eval()
    released = IsomerHead(in_channels=CHANNELS, channels=8, square_upsampling=True).eval()
    released.load_state_dict(ours.state_dict())
    x = levels(7, 7)
    assert torch.equal(ours(x), released(x))


def test_width_is_checked():
    with pytest.raises(ValueError, match='channels 10, expected a multiple of 4'):
        IsomerHead(in_channels=CHANNELS, channels=10)
