import pytest
import torch
import torch.nn.functional as F

from mmlvs.models.decoders import CrossModalFPN, Words
from mmlvs.models.layers import blocks

SIZES = [(12, 16), (6, 8), (3, 4), (2, 2)]


def _parts(rows, clips=2, frames=3, padded=True):
    torch.manual_seed(0)
    fpn = CrossModalFPN(in_channels=[6, 16, 16, 16], channels=16, mask_channels=10, num_heads=4,
                        feedforward_channels=24).double().eval()
    finest = torch.randn(clips, frames, 6, *SIZES[0]).double()
    memory = [torch.randn(rows, frames, 16, *size).double() for size in SIZES[1:]]
    positions = [torch.randn(clips, frames, 16, *size).double() for size in SIZES]
    paddings = [torch.zeros(clips, frames, *size, dtype=torch.bool) for size in SIZES]
    for padding in paddings if padded else ():
        padding[1, :, :, padding.shape[-1] // 2 + 1:] = True
    words = torch.randn(rows, 4, 16).double()
    text = Words(words=words, position=torch.randn_like(words), padding=torch.zeros(rows, 4, dtype=torch.bool))
    return fpn, finest, memory, positions, paddings, text


def test_top_down_order():
    fpn, finest, memory, positions, paddings, text = _parts(2)
    x = None
    for i in (3, 2, 1, 0):
        source = memory[i - 1] if i else finest
        y = fpn.laterals[i](source.flatten(0, 1)).unflatten(0, (2, 3)).permute(0, 1, 3, 4, 2)
        y = fpn.blocks[i](y, positions[i].permute(0, 1, 3, 4, 2), text.words, text.position, padding=paddings[i],
                          word_padding=text.padding)
        y = y.permute(0, 1, 4, 2, 3).flatten(0, 1)
        y = y if x is None else y + F.interpolate(x, size=y.shape[-2:])
        x = fpn.outputs[i](y).relu()
    got = fpn(finest, memory, positions, paddings, text, torch.arange(2))
    assert got.shape == (2, 3, 10, 12, 16)
    torch.testing.assert_close(got.flatten(0, 1), fpn.mask_features(x))


def test_rows_equal_their_clips_alone():
    fpn, finest, memory, positions, paddings, text = _parts(3)
    clip_of = torch.tensor([1, 0, 1])
    got = fpn(finest, memory, positions, paddings, text, clip_of)
    for row, clip in enumerate(clip_of.tolist()):
        alone = fpn(finest[clip:clip + 1], [m[row:row + 1] for m in memory], [p[clip:clip + 1] for p in positions],
                    [p[clip:clip + 1] for p in paddings],
                    Words(text.words[row:row + 1], text.position[row:row + 1], text.padding[row:row + 1]),
                    torch.zeros(1, dtype=torch.long))
        torch.testing.assert_close(got[row:row + 1], alone)


def test_without_padding_and_with_one_position_for_all_frames():
    fpn, finest, memory, positions, paddings, text = _parts(2, padded=False)
    one = [p[:, :1] for p in positions]
    want = fpn(finest, memory, [p.expand(-1, 3, -1, -1, -1) for p in one], paddings, text, torch.arange(2))
    torch.testing.assert_close(fpn(finest, memory, one, [None] * 4, text, torch.arange(2)), want)


def test_blocks_of_frames_change_nothing(monkeypatch):
    fpn, *rest = _parts(2)
    want = fpn(*rest, torch.arange(2))
    monkeypatch.setattr(blocks, 'FRAMES_AT_ONCE', 2)
    with torch.no_grad():
        torch.testing.assert_close(fpn(*rest, torch.arange(2)), want)


def test_refuses_different_numbers_of_inputs():
    with pytest.raises(ValueError, match='3 inputs'):
        CrossModalFPN(in_channels=[8, 8, 8])
