"""Reading a clip once with all its sentences gives what reading it anew for each of them gives, and reads less."""

from pathlib import Path

import pytest
import torch

from mmlvs.datasets import mask_sources, rle_masks
from mmlvs.datasets.measuring import check_equal, reading_datasets

from .loading import plain_form

SAMPLES = Path(__file__).parents[1] / 'data' / 'samples'
SETS = dict(RefYouTubeVOSDataset='ref-youtube-vos', MeViSDataset='mevis', ReVOSDataset='revos',
            LongRVOSDataset='long_rvos', RefDAVISDataset='ref-davis', A2DSentencesDataset='a2d_sentences',
            JHMDBSentencesDataset='jhmdb_sentences', RefCOCODataset='refer_data')
SPLITS = dict(A2DSentencesDataset='test', JHMDBSentencesDataset='test', RefDAVISDataset='valid')


def read_from(kind, unit='video'):
    settings = dict(type=kind, data_root=str(SAMPLES / SETS[kind]), split=SPLITS.get(kind, 'train'))
    dataset, = reading_datasets(settings, unit=unit, clip_length=4).values()
    return dataset


@pytest.mark.parametrize('unit', ['video', 'expression'])
@pytest.mark.parametrize('kind', SETS)
def test_pixels_are_equal(kind, unit):
    dataset = read_from(kind, unit)
    plain, sentences = plain_form(dataset), 0
    for index in range(len(dataset)):
        item, alone = dataset[index], plain(index)
        check_equal(item, alone, kind)
        found = item['data_samples']
        sentences += len(alone)
        for n, one in enumerate(alone):
            if len(found.gt_objects[n]) == 1 and kind != 'RefCOCODataset':  # which has boxes of its own
                o = found.gt_objects[n][0]
                assert torch.equal(found.gt_boxes[o].long(), one['boxes'])
                assert torch.equal(found.gt_valid[o], one['valid'])
    assert unit == 'video' or sentences == len(dataset)


def test_what_differs_is_refused():
    dataset = read_from('MeViSDataset')
    item, alone = dataset[0], plain_form(dataset)(0)
    with pytest.raises(ValueError, match='4 sentences, the plain form reads 3'):
        check_equal(item, alone[:-1], 'here')
    alone[1]['masks'][0, 0, 0] ^= True
    with pytest.raises(ValueError, match='here, sentence 1: masks differ'):
        check_equal(item, alone, 'here')
    alone[0]['img'][0, 0, 0, 0] ^= 1
    with pytest.raises(ValueError, match='frames differ'):
        check_equal(item, alone, 'here')


@pytest.mark.parametrize(('kind', 'module', 'decoder'), [('A2DSentencesDataset', mask_sources, 'read_h5'),
                                                         ('MeViSDataset', rle_masks, 'decode_rle')])
def test_masks_are_decoded_once_a_clip(kind, module, decoder, monkeypatch):
    """Not once a sentence: sentences share objects, and objects share files."""
    calls, decode = [], getattr(module, decoder)
    monkeypatch.setattr(module, decoder, lambda *args: calls.append(args) or decode(*args))
    dataset = read_from(kind)
    index = max(range(len(dataset)), key=lambda i: len(dataset.items[i].expressions))
    sample = dataset[index]['data_samples']
    assert sample.num_expressions > 1
    if kind == 'A2DSentencesDataset':
        assert len(calls) == 1
    else:  # one call for an object in a frame that shows it
        masks = sample.gt_masks.flatten(2).any(dim=2)  # O T H W -> O T
        assert 0 < len(calls) <= masks.numel() and len(calls) >= int(masks.sum())
        asked = [o for objects in sample.gt_objects for o in objects]
        assert len(asked) > len(set(asked))  # sentences do share objects here
