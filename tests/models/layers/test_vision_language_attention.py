import pytest
import torch

from mmlvs.models.layers import VisionLanguageBlock, VisionLanguageFusion
from tests.plain.referformer import vision_language_block


def _text(rows=2, length=5, channels=16):
    padding = torch.zeros(rows, length, dtype=torch.bool)
    padding[1, 3:] = True
    return torch.randn(rows, length, channels).double(), torch.randn(rows, length, channels).double(), padding


def test_fusion_multiplies_and_adds_nothing():
    torch.manual_seed(0)
    fusion = VisionLanguageFusion(channels=16, num_heads=4).double()
    words, place, padding = _text()
    pixels = torch.randn(2, 7, 16).double()
    got = fusion(pixels, words, place, padding)
    read, _ = fusion.attention(pixels, words + place, words, key_padding_mask=padding)
    torch.testing.assert_close(got, pixels * read)
    assert not fusion(torch.zeros_like(pixels), words, place, padding).any()


def test_fusion_ignores_padded_words_and_takes_additive_masks():
    torch.manual_seed(0)
    fusion = VisionLanguageFusion(channels=16, num_heads=4).double()
    words, place, padding = _text()
    pixels = torch.randn(2, 7, 16).double()
    got = fusion(pixels, words, place, padding)
    changed = words.masked_fill(padding[..., None], 9.0)
    torch.testing.assert_close(fusion(pixels, changed, place, padding), got)
    added = torch.zeros(padding.shape).double().masked_fill(padding, -torch.inf)
    torch.testing.assert_close(fusion(pixels, words, place, added), got)


@pytest.mark.parametrize('reduction', [1, 2, 4])
def test_block(reduction):
    torch.manual_seed(1)
    block = VisionLanguageBlock(channels=16, num_heads=4, feedforward_channels=24, reduction=reduction).double().eval()
    x, position = torch.randn(2, 3, 5, 9, 16).double(), torch.randn(2, 3, 5, 9, 16).double()
    padding = torch.zeros(2, 3, 5, 9, dtype=torch.bool)
    padding[1, :, :, 6:] = True
    words, place, word_padding = _text()
    got = block(x, position, words, place, padding=padding, word_padding=word_padding)
    want = vision_language_block(block, x, position, words, place, padding, word_padding)
    torch.testing.assert_close(got, want)


def test_frames_see_each_other_in_the_first_step_only():
    torch.manual_seed(1)
    block = VisionLanguageBlock(channels=16, num_heads=4, feedforward_channels=24).double().eval()
    x, position = torch.randn(1, 2, 3, 4, 16).double(), torch.randn(1, 1, 3, 4, 16).double()
    words, place, _ = _text(2)
    other = x.clone()
    other[:, 1] += 1
    assert not torch.allclose(block.attend_pixels(x, position)[:, 0], block.attend_pixels(other, position)[:, 0])
    first, second = (block.attend_words(v, position, words[:1], place[:1]) for v in (x, other))
    torch.testing.assert_close(first[:, 0], second[:, 0])


def test_maps_smaller_than_the_reduction():
    block = VisionLanguageBlock(channels=16, num_heads=4, feedforward_channels=24, reduction=8).double()
    x = torch.randn(1, 1, 3, 20, 16).double()
    assert block.attend_pixels(x, torch.zeros_like(x)).shape == x.shape
