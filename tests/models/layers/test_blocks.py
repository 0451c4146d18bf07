import pytest
import torch

from mmlvs.models.layers.blocks import FRAMES_AT_ONCE, frame_blocks


@pytest.mark.parametrize('frames', [1, FRAMES_AT_ONCE, FRAMES_AT_ONCE + 1, 5 * FRAMES_AT_ONCE + 3])
def test_blocks_cover_all_frames_once_and_in_order(frames):
    everything = list(range(frames))
    with torch.no_grad():
        blocks = frame_blocks(frames)
    assert [i for block in blocks for i in everything[block]] == everything
    assert max(len(everything[block]) for block in blocks) <= FRAMES_AT_ONCE


def test_with_gradients_all_frames_run_at_once():
    assert frame_blocks(100) == [slice(0, 100)]
