"""The base configs of data sets: their keys are known, and they read a data set in the official layout."""

from pathlib import Path

import pytest
from mmengine.config import Config

from mmlvs.registry import DATASETS
from mmlvs.utils.config_check import check_config

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / 'configs' / '_base_' / 'datasets'
SAMPLE = ROOT / 'tests' / 'data' / 'samples' / 'ref-youtube-vos'


def _load(name):
    return Config.fromfile(str(CONFIGS / f'{name}.py'))


@pytest.mark.parametrize('name', ['ref_youtube_vos', 'moving_shapes'])
def test_every_key_is_known(name):
    check_config(_load(name))


def test_ref_youtube_vos_reads_the_sample():
    config = _load('ref_youtube_vos')
    for loader, length in (('train_dataloader', 15), ('test_dataloader', 2)):
        config[loader].dataset.data_root = str(SAMPLE)
        dataset = DATASETS.build(config[loader].dataset)
        assert len(dataset) == length
        item = dataset[length - 1]
    assert min(item['inputs']['img'].shape[-2:]) == 360 and item['data_samples'].num_expressions == 2


def test_augmented_sizes_stay_in_their_bounds():
    config = _load('ref_youtube_vos').train_dataloader.dataset
    config.data_root = str(SAMPLE)
    dataset = DATASETS.build(config)
    flips, sizes = set(), set()
    for epoch in range(12):
        item = dataset.get_item(0, epoch=epoch)
        sample = item['data_samples']
        assert max(item['inputs']['img'].shape[-2:]) <= 641 and sample.gt_masks.shape[1:] == (5, *sample.img_shape)
        assert sample.texts == ['a person walking to the left' if sample.flip else 'a person walking to the right']
        flips.add(sample.flip)
        sizes.add(sample.img_shape)
    assert flips == {True, False} and len(sizes) > 4


def test_moving_shapes_reads_the_layout_with_masks(make_root):
    frames = [f'{t:05d}' for t in range(7)]
    expression = dict(exp='The circle moving left', obj_id='1', noun_chunks=[[0, 10]])
    video = dict(frames=frames, expressions={'0': expression})
    config = _load('moving_shapes')
    make_root({'a': video}, split='valid')
    root = make_root({'b': video})
    for loader in ('train_dataloader', 'test_dataloader'):
        config[loader].dataset.data_root = str(root)
    train, valid = (DATASETS.build(config[loader].dataset) for loader in ('train_dataloader', 'test_dataloader'))
    texts = {train.get_item(0, epoch=e)['data_samples'].texts[0] for e in range(8)}
    assert texts == {'the circle moving left', 'the circle moving right'}
    sample = valid[0]['data_samples']
    assert sample.frame_ids == frames and sample.gt_masks.shape == (1, 7, 20, 30)
