"""The base configs of RefCOCO, A2D, JHMDB, Ref-DAVIS17 and Locater's sets: known keys, items from the samples."""

from pathlib import Path

import pytest
from mmengine.config import Config

from mmlvs.registry import DATASETS
from mmlvs.utils.config_check import check_config

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / 'tests' / 'data' / 'samples'
NAMES = ['refcoco', 'refcoco_480', 'refcoco_ref-youtube-vos', 'a2d_sentences', 'jhmdb_sentences', 'ref_davis',
         'locater_sets']


def _load(name):
    return Config.fromfile(str(ROOT / 'configs' / '_base_' / 'datasets' / f'{name}.py'))


def _build(config, loader, **roots):
    """The data set of a loader with the samples as roots: type -> folder."""
    settings = config[f'{loader}_dataloader'].dataset.to_dict()
    for part in settings.get('datasets', [settings]):
        part['data_root'] = str(SAMPLES / roots[part['type']])
    return DATASETS.build(settings)


@pytest.mark.parametrize('name', NAMES)
def test_every_key_is_known(name):
    check_config(_load(name))


@pytest.mark.parametrize('name, roots, lengths', [
    ('refcoco', dict(RefCOCODataset='refer_data'), dict(train=8, test=3)),
    ('refcoco_480', dict(RefCOCODataset='refer_data'), dict(train=2, test=2)),
    ('refcoco_ref-youtube-vos', dict(RefCOCODataset='refer_data', RefYouTubeVOSDataset='ref-youtube-vos'),
     dict(train=23, test=2)),
    ('a2d_sentences', dict(A2DSentencesDataset='a2d_sentences'), dict(train=2, test=5)),
    ('jhmdb_sentences', dict(JHMDBSentencesDataset='jhmdb_sentences'), dict(test=6)),
    ('ref_davis', dict(RefDAVISDataset='ref-davis'), dict(test=2)),
    ('locater_sets', dict(LocaterDataset='locater'), dict(test=3)),
])
def test_items(name, roots, lengths):
    config = _load(name)
    for loader, length in lengths.items():
        dataset = _build(config, loader, **roots)
        assert len(dataset) == length
        for index in (0, length - 1):
            item = dataset[index]
            sample = item['data_samples']
            assert tuple(item['inputs']['img'].shape[-2:]) == tuple(sample.img_shape)
            if loader == 'train':
                assert sample.gt_valid.any() and tuple(sample.gt_masks.shape[-2:]) == tuple(sample.img_shape)


def test_joint_clips_have_one_length():
    dataset = _build(_load('refcoco_ref-youtube-vos'), 'train', RefCOCODataset='refer_data',
                     RefYouTubeVOSDataset='ref-youtube-vos')
    assert {len(dataset[i]['inputs']['img']) for i in (0, 5, 7, 8, 22)} == {5}


def test_images_of_480_and_all_sentences_in_testing():
    config = _load('refcoco_480')
    train, test = (_build(config, loader, RefCOCODataset='refer_data') for loader in ('train', 'test'))
    assert tuple(train[0]['inputs']['img'].shape) == (1, 3, 480, 480) and train[0]['data_samples'].num_expressions == 1
    sample = test[0]['data_samples']
    assert sample.num_expressions == 2 and tuple(sample.gt_masks.shape[-2:]) == (480, 480)


def test_locater_streams():
    item = _build(_load('locater_sets'), 'test', LocaterDataset='locater')[0]
    assert {k: tuple(v.shape) for k, v in item['inputs'].items()} == dict(
        img=(11, 3, 320, 320), global_img=(3, 3, 320, 320))
    assert tuple(item['data_samples'].gt_masks.shape[-2:]) == (40, 64)
