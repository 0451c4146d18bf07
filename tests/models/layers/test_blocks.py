import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmlvs.models.layers import blocks
from mmlvs.models.layers.blocks import FRAMES_AT_ONCE, TOKENS_AT_ONCE, by_tokens, frame_blocks

CPU = torch.device('cpu')


@pytest.mark.parametrize('frames', [1, FRAMES_AT_ONCE, FRAMES_AT_ONCE + 1, 5 * FRAMES_AT_ONCE + 3])
@pytest.mark.parametrize('tokens', [1, 3000, 100_000])
@pytest.mark.parametrize('device', ['cpu', 'cuda'])
def test_blocks_cover_all_frames_once_and_in_order(frames, tokens, device):
    everything = list(range(frames))
    with torch.no_grad():
        found = frame_blocks(frames, tokens, torch.device(device))
    assert [i for block in found for i in everything[block]] == everything
    most = 1 if device == 'cpu' and tokens == 100_000 else FRAMES_AT_ONCE
    assert len(everything[found[0]]) <= most


def test_with_gradients_all_frames_run_at_once():
    assert frame_blocks(100, 100_000, CPU) == [slice(0, 100)]


@given(rows=st.integers(0, 3), tokens=st.integers(0, 50), axis=st.sampled_from([1, 2]), step=st.integers(1, 20))
def test_tokens_in_blocks_equal_all_at_once(rows, tokens, axis, step):
    shape = (rows, tokens, 2, 3) if axis == 1 else (rows, 2, tokens, 3)
    x, shared = torch.randn(shape), torch.randn((1, *shape[1:]))
    seen = []

    def function(x, y):
        seen.append(x[..., 0].numel())
        return torch.cat([x * y, x], dim=-1)

    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr(blocks, 'TOKENS_AT_ONCE', step)
        got = by_tokens(function, x, shared, axis=axis)
    assert torch.equal(got, torch.cat([x * shared, x], dim=-1))
    assert max(seen) <= max(step, 2 * rows) and sum(seen) == x[..., 0].numel()


def test_with_gradients_all_tokens_run_at_once():
    seen = []
    by_tokens(lambda x: seen.append(x) or x, torch.zeros(1, 3 * TOKENS_AT_ONCE, 1))
    assert len(seen) == 1
