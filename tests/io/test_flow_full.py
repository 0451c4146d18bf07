"""Colour wheel and RAFT against torchvision."""

import numpy as np
import pytest
import torch

from mmlvs.io.flow import RAFTFlow, flow_to_color

pytestmark = pytest.mark.full


def test_colours():
    """But for single pixels on the edge between two whole numbers, or where torchvision's bytes wrap round."""
    from torchvision.utils import flow_to_image

    rng = np.random.default_rng(0)
    for _ in range(10):
        flow = (rng.normal(size=(37, 53, 2)) * rng.uniform(0.1, 30)).astype(np.float32)
        theirs = flow_to_image(torch.from_numpy(flow).permute(2, 0, 1)).permute(1, 2, 0).numpy()
        assert (flow_to_color(flow) != theirs).mean() < 0.001


@pytest.mark.parametrize('size', ['small', 'large'])
def test_raft(tmp_path, size):
    from torchvision.models import optical_flow

    torch.manual_seed(0)
    network = getattr(optical_flow, f'raft_{size}')(weights=None, progress=False).eval()
    torch.save(network.state_dict(), tmp_path / 'raft.pth')
    raft = RAFTFlow(checkpoint=tmp_path / 'raft.pth', size=size, iterations=3)
    pair = np.random.default_rng(0).integers(0, 255, (2, 136, 160, 3), dtype=np.uint8)
    images = torch.from_numpy(pair).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.inference_mode():
        expected = network(images[:1], images[1:], num_flow_updates=3)[-1][0].permute(1, 2, 0).numpy()
    assert np.array_equal(raft(*pair), expected)
    padded = np.pad(pair[:, :131, :155], ((0, 0), (2, 3), (2, 3), (0, 0)), mode='edge')
    assert np.array_equal(raft(*pair[:, :131, :155]), raft(*padded)[2:-3, 2:-3]), 'no multiple of 8'
    assert raft(*pair[:, :50, :77]).shape == (50, 77, 2)  # smaller than the network takes
    other = RAFTFlow(checkpoint=tmp_path / 'raft.pth', size='small' if size == 'large' else 'large')
    with pytest.raises(ValueError, match="does not fit torchvision's raft_"):
        other(*pair)
