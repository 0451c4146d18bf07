"""The base configs of the video sets: keys are known, and each reads its set in the official layout."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from mmlvs.registry import DATASETS, METRICS
from mmlvs.utils.config_check import check_config

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / 'configs' / '_base_' / 'datasets'
SAMPLES = ROOT / 'tests' / 'data' / 'samples'


def _load(name):
    return Config.fromfile(str(CONFIGS / f'{name}.py'))


def _build(loader, root):
    dataset = loader.dataset.copy()
    dataset.data_root = str(root)
    return DATASETS.build(dataset)


@pytest.mark.parametrize('name', ['mevis', 'revos', 'long_rvos', 'mevis_ref-youtube-vos', 'zero_shot', 'youtube_vos',
                                  'davis', 'folder'])
def test_every_key_is_known(name):
    check_config(_load(name))


@pytest.mark.parametrize('name, sample, lengths', [('mevis', 'mevis', (4 * 2 + 4, 1)), ('revos', 'revos', (3, 2)),
                                                   ('folder', 'my_folder', (6 + 8, 1))])
def test_training_and_testing_of_the_samples(name, sample, lengths):
    config = _load(name)
    for loader, length in zip(('train_dataloader', 'test_dataloader'), lengths, strict=True):
        dataset = _build(config[loader], SAMPLES / sample)
        assert len(dataset) == length
        item = dataset[length - 1]
        assert item['inputs']['img'].dtype.is_floating_point or item['inputs']['img'].max() > 0
    assert item['data_samples'].num_expressions > 1


def test_mevis_is_validated_on_valid_u():
    config = _load('mevis')
    sample = _build(config.val_dataloader, SAMPLES / 'mevis')[0]['data_samples']
    assert sample.video_id == 'a1b2c3d4e5f6' and METRICS.build(config.val_evaluator)
    config.test_evaluator.out_dir = 'unused'
    assert METRICS.get(config.test_evaluator.type)


def test_revos_score_reads_the_foreground():
    config = _load('revos').test_evaluator
    assert config.foreground == 'data/revos/mask_dict_foreground.json'
    config.foreground = str(SAMPLES / 'revos/mask_dict_foreground.json')
    METRICS.build(config)


def test_long_rvos_draws_key_frames(tmp_path):
    root = Path(shutil.copytree(SAMPLES / 'long_rvos', tmp_path / 'set'))
    types = ['I'] + ['P'] * 11
    (root / 'motions/train/frame_types.json').write_text(json.dumps(dict(v001=types * 10 + ['I'])))
    config = _load('long_rvos')
    assert len(_build(config.train_dataloader, root)) == 3
    test = _build(config.test_dataloader, root / '')
    test = DATASETS.build(dict(config.test_dataloader.dataset, data_root=str(root), split='valid'))
    assert len(test[0]['data_samples'].frame_ids) == 14


def test_mixture_lists_one_set_twice():
    dataset = _load('mevis_ref-youtube-vos').train_dataloader.dataset
    for part, sample in zip(dataset.datasets, ('mevis', 'ref-youtube-vos'), strict=True):
        part.data_root = str(SAMPLES / sample)
    built = DATASETS.build(dataset)
    assert [len(part) for part in built.datasets] == [12, 15] and len(built) == 2 * 12 + 15
    assert built.video_of(12) == built.video_of(0) and built.video_of(24).startswith('1/')
    assert built[38]['data_samples'].dataset == 'Ref-YouTube-VOS'


@pytest.fixture
def zero_shot(tmp_path):
    for part, name in (('TrainSet', 'DAVIS_FBMS'), ('TestSet', 'DAVIS')):
        for kind in ('Frame', 'Flow', 'GT'):
            folder = tmp_path / part / name / 'a' / kind
            folder.mkdir(parents=True)
            for t in range(2):
                pixels = np.zeros((12, 16) if kind == 'GT' else (12, 16, 3), np.uint8)
                pixels[2:5, 3:9] = 255
                Image.fromarray(pixels).save(folder / f'{t}.png')
    return tmp_path


def test_zero_shot_streams(zero_shot):
    config = _load('zero_shot')
    item = _build(config.train_dataloader, zero_shot / 'TrainSet')[0]
    assert {k: tuple(v.shape) for k, v in item['inputs'].items()} == dict(img=(1, 3, 512, 512), flow=(1, 3, 512, 512))
    assert item['data_samples'].gt_masks.shape == (1, 1, 512, 512)
    sample = _build(config.test_dataloader, zero_shot / 'TestSet')[0]['data_samples']
    assert sample.gt_masks.shape == (1, 2, 12, 16) and sample.img_shape == (512, 512)


def test_davis(tmp_path):
    config = _load('davis')
    assert len(_build(config.train_dataloader, SAMPLES / 'davis2016')) == 1
    for folder in ('JPEGImages', 'Annotations_unsupervised'):
        (tmp_path / folder / '480p' / 'a').mkdir(parents=True)
    (tmp_path / 'ImageSets/2017').mkdir(parents=True)
    (tmp_path / 'ImageSets/2017/val.txt').write_text('a\n')
    Image.new('RGB', (8, 6)).save(tmp_path / 'JPEGImages/480p/a/00000.jpg')
    Image.new('L', (8, 6), 1).save(tmp_path / 'Annotations_unsupervised/480p/a/00000.png')
    assert _build(config.test_dataloader, tmp_path)[0]['data_samples'].object_ids == ['1']
