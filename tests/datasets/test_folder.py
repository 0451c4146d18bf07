"""Own videos: one JSON, folders of images or video files, masks by name."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from mmlvs.datasets import FolderDataset
from mmlvs.registry import DATASETS

SAMPLE = Path(__file__).parents[1] / 'data' / 'samples' / 'my_folder'
LOAD = [dict(type='LoadFrames'), dict(type='LoadMasks'), dict(type='PackClip')]


@pytest.fixture
def root(tmp_path):
    return Path(shutil.copytree(SAMPLE, tmp_path / 'own'))


@pytest.fixture
def change(root):
    def make(function):
        file = root / 'train.json'
        content = json.loads(file.read_text())
        function(content['videos'])
        file.write_text(json.dumps(content))
    return make


def _dataset(root, **settings):
    return FolderDataset(data_root=root, pipeline=LOAD, **dict(dict(test_mode=True), **settings))


def test_images_and_black_and_white_masks(root):
    sample = _dataset(root)[0]['data_samples']
    assert sample.frame_ids[:3] == ['frame1', 'frame2', 'frame3'] and sample.frame_ids[-1] == 'frame11'
    assert sample.gt_annotated.tolist() == [True, False] * 5 + [True]
    assert sample.texts == ['the red ball', 'a ball rolling to the right'] and sample.gt_objects == [[0], [0]]
    assert sample.gt_masks.max() == 1 and sample.target(0)[0].sum() > 100


def test_video_file_and_index_masks(root):
    item = _dataset(root)[1]
    sample = item['data_samples']
    assert sample.frame_ids == [f'{t:05d}' for t in range(8)] and item['inputs']['img'].shape == (8, 3, 48, 64)
    square, disk, both = (sample.target(n) for n in range(3))
    assert square.any() and disk.any() and (both == (square | disk)).all()
    colour = item['inputs']['img'][0][:, square[0]].float().mean(dim=1)  # 3 colours of the square
    assert colour[2] > 150 > colour[0]


def test_training_takes_annotated_frames_in_the_order_of_numbers(root):
    dataset = _dataset(root, test_mode=False, clip_length=1)
    names = [dataset.results_of(0, np.random.default_rng(0))['frame_ids']]
    assert names == [[f'frame{n}' for n in (1, 3, 5, 7, 9, 11)]]
    assert len(dataset) == 2 * 6 + 3 * 8 and dataset[0]['data_samples'].gt_valid.any()
    shutil.rmtree(root / 'masks/ball')
    with pytest.raises(ValueError, match=r"video 'ball': has no masks .* nothing can be learnt"):
        _dataset(root, test_mode=False)
    assert 'gt_masks' in _dataset(root)[0]['data_samples']  # testing: no frame of this one is annotated
    assert not _dataset(root)[0]['data_samples'].gt_annotated.any()


@pytest.mark.parametrize('function, message', [
    (lambda v: v['ball'].update(frame='x'), r"'ball': unknown keys \['frame'\]; expected some of"),
    (lambda v: v['ball'].update(frames='none'), 'there is no .*none; put a folder of images, a video file or an image'),
    (lambda v: v['ball'].update(masks='none'), 'masks .*none are missing'),
    (lambda v: v['ball'].pop('expressions'), 'expected "expressions", a list of sentences'),
    (lambda v: v['ball'].update(expressions=[dict(text='x', object=0)]), r"expression 0: object \['0'\] expected"),
    (lambda v: v['ball'].update(expressions=[dict(object=1)]), 'expression 0: expected a sentence'),
    (lambda v: v['ball'].update(expressions=[' ']), "expression '0' is empty"),
    (lambda v: v.clear(), 'lists no video')])
def test_mistakes(root, change, function, message):
    change(function)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        _dataset(root, split='train')


IMAGES = SAMPLE.with_name('my_images')


def test_single_images():
    """Each is a clip of one frame under its own name; its mask is a file, not a folder."""
    dataset = _dataset(IMAGES, split='valid')
    samples = [dataset[n]['data_samples'] for n in range(len(dataset))]
    assert [sample.frame_ids for sample in samples] == [['image5'], ['image6']]
    assert samples[0].texts == ['the cross', 'the star'] and dataset[0]['inputs']['img'].shape == (1, 3, 96, 96)
    assert all(sample.target(n).sum() > 50 for sample in samples for n in range(sample.num_expressions))
    assert len(_dataset(IMAGES, split='train', test_mode=False, unit='video', clip_length=1)) == 4


def test_images_beside_videos_and_names_with_an_ending(root):
    shutil.copy(IMAGES / 'image5.jpg', root / 'cross.jpg')
    shutil.copy(IMAGES / 'masks/image5.png', root / 'cross_mask.png')
    file = root / 'train.json'
    content = json.loads(file.read_text())
    content['images'] = {'cross.jpg': dict(masks='cross_mask.png', expressions=[dict(text='the cross', object=1)]),
                         'again': dict(frames='cross.jpg', expressions=['anything'])}
    file.write_text(json.dumps(content))
    dataset = _dataset(root, split='train')
    samples = {dataset[n]['data_samples'].video_id: dataset[n]['data_samples'] for n in range(len(dataset))}
    assert list(samples) == ['ball', 'shapes', 'cross.jpg', 'again']
    assert samples['cross.jpg'].target(0).any() and not samples['again'].gt_annotated.any()
    content['videos']['again'] = content['videos']['ball']
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"\['again'\] stand under \"videos\" and under \"images\""):
        _dataset(root, split='train')
    file.write_text('{"images": []}')
    with pytest.raises(ValueError, match='or the same with "images"'):
        _dataset(root, split='train')


def test_files_that_do_not_fit(root):
    Image.new('L', (64, 48)).save(root / 'masks/ball/frame99.png')
    with pytest.raises(ValueError, match=r"masks \['frame99'\] .* frames are named frame1 to frame11"):
        _dataset(root)
    (root / 'masks/ball/frame99.png').unlink()
    Image.new('RGB', (64, 48), (9, 0, 0)).save(root / 'masks/ball/frame1.png')
    with pytest.raises(ValueError, match='expected a grey or palette image, found a colour image'):
        _dataset(root)[0]
    with pytest.raises(FileNotFoundError, match=r"tran.json: expected the list .* there are \['train.json'"):
        _dataset(root, split='tran')
    (root / 'train.json').write_text('{"videos": }')
    with pytest.raises(ValueError, match='is no valid JSON'):
        _dataset(root)


def test_the_recipe_for_own_images_takes_single_frames_of_videos():
    recipe = Path(__file__).parents[2] / 'configs/lavt/lavt_one-swin-b_1xb4-10e_folder.py'
    settings = {**Config.fromfile(recipe).train_dataloader.dataset, 'data_root': str(SAMPLE)}
    dataset = DATASETS.build(settings)
    assert len({dataset.video_of(n) for n in range(len(dataset))}) > 1
    assert {len(dataset[n]['inputs']['img']) for n in range(len(dataset))} == {1}
