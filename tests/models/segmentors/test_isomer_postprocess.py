"""8-bit maps of logits."""

import pytest
import torch

from mmlvs.models.segmentors.isomer_postprocess import soft_maps
from mmlvs.structures import ClipCodec


def test_every_map_is_stretched_by_itself():
    logits = torch.tensor([[[-4.0, 0], [2, 1]], [[0.0, 0.1], [0.2, 0.3]]])
    maps = soft_maps(logits, (2, 2))
    assert maps.dtype == torch.uint8 and maps.amin((1, 2)).tolist() == [0, 0]
    assert set(maps.amax((1, 2)).tolist()) <= {254, 255}  # truncated
    plain = soft_maps(logits, (2, 2), min_max=False)
    assert torch.equal(plain, (logits.sigmoid() * 255).byte())


def test_a_constant_map_is_zero():
    assert not soft_maps(torch.full((1, 3, 3), 7.0), (3, 3)).any()


@pytest.mark.parametrize('block', [1, 2, 8])
def test_blocks_of_frames_do_not_matter(block):
    torch.manual_seed(0)
    logits = torch.randn(5, 6, 9)
    codec = ClipCodec(way_back='crop_first', mask_stride=1, frames_at_once=block)
    maps = soft_maps(logits, (11, 17), codec=codec, img_shape=(5, 8))
    assert torch.equal(maps, soft_maps(logits[:, :5, :8], (11, 17)))
    assert soft_maps(logits[:0], (11, 17), codec=codec).shape == (0, 11, 17)
