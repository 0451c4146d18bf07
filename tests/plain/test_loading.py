"""Reading a clip once with all its sentences gives what reading it anew for each of them gives."""

from pathlib import Path

import pytest
import torch

from mmlvs.datasets import LongRVOSDataset, MeViSDataset, RefYouTubeVOSDataset, ReVOSDataset

from .loading import plain_form

SAMPLES = Path(__file__).parents[1] / 'data' / 'samples'
LOAD = [dict(type='LoadFrames'), dict(type='LoadMasks'), dict(type='PackClip')]


@pytest.mark.parametrize('cls, sample', [(RefYouTubeVOSDataset, 'ref-youtube-vos'), (MeViSDataset, 'mevis'),
                                         (ReVOSDataset, 'revos'), (LongRVOSDataset, 'long_rvos')])
def test_pixels_are_equal(cls, sample):
    dataset = cls(data_root=SAMPLES / sample, pipeline=LOAD, test_mode=True, clip_length=4, with_masks=True)
    plain = plain_form(dataset)
    for index in range(len(dataset)):
        item, alone = dataset[index], plain(index)
        found = item['data_samples']
        assert len(alone) == found.num_expressions
        for n, one in enumerate(alone):
            assert torch.equal(item['inputs']['img'], one['img']) and torch.equal(found.target(n), one['masks'])
            if len(found.gt_objects[n]) == 1:
                o = found.gt_objects[n][0]
                assert torch.equal(found.gt_boxes[o].long(), one['boxes'])
                assert torch.equal(found.gt_valid[o], one['valid'])
