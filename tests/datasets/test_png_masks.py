"""Grey masks: one file per object and frame, or one foreground."""

import numpy as np
import pytest
from PIL import Image

from mmlvs.datasets.png_masks import ForegroundPNG, ObjectPNG, read_grey


def _save(file, array, mode=None):
    file.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.asarray(array, np.uint8))
    (image.convert(mode) if mode else image).save(file)
    return file


@pytest.fixture
def objects(tmp_path):
    _save(tmp_path / 'v/1/a.png', [[0, 255], [0, 0]])
    _save(tmp_path / 'v/2/a.png', [[0, 1], [7, 0]])
    return ObjectPNG(path=str(tmp_path / '{video}/{object}/{frame}.png'), video_size=lambda video: (2, 2))


def test_objects_of_their_own_files(objects):
    frame = objects.read('v', 'a', 0, ['2', '3', '1'])
    assert frame.objects.tolist() == [[[0, 1], [1, 0]], [[0, 0], [0, 0]], [[0, 1], [0, 0]]]
    assert not objects.read('v', 'b', 1, ['1']).objects.any()
    assert objects.read('v', 'b', 1, []).objects.shape == (0, 2, 2)
    _save(objects.file_of('v', '3', 'a'), [[0, 1]])
    with pytest.raises(ValueError, match=r'3/a.png: mask of size \(1, 2\)'):
        objects.read('v', 'a', 0, ['1', '3'])


def test_foreground(tmp_path):
    file = _save(tmp_path / 'm.png', [[0, 3, 255]])
    source = ForegroundPNG(file_of=lambda video, frame: file if frame == 'a' else None, void=255)
    frame = source.read('v', 'a', 0, ['1'])
    assert frame.objects.tolist() == [[[0, 1, 0]]] and frame.ignore.tolist() == [[False, False, True]]
    assert source.read('v', 'b', 0, ['1']) is None
    soft = ForegroundPNG(file_of=lambda video, frame: file, soft=True).read('v', 'a', 0, ['1'])
    assert soft.objects.tolist() == [[[0, 3, 255]]] and not soft.ignore.any()
    with pytest.raises(ValueError, match='soft masks have no void value'):
        ForegroundPNG(file_of=lambda video, frame: file, soft=True, void=255)


def test_values_of_all_modes(tmp_path):
    values = [[0, 255], [255, 0]]
    for mode in ('L', 'P', '1', 'RGB', 'RGBA', 'LA'):
        image = Image.fromarray(np.asarray(values, np.uint8))
        image = image if mode == 'P' else image.convert(mode)
        if mode == 'P':
            image.putpalette([9, 8, 7] * 256)
        image.save(tmp_path / f'{mode}.png')
        assert read_grey(tmp_path / f'{mode}.png').tolist() == values, mode
    _save(tmp_path / 'c.png', [[[1, 2, 3]]])
    with pytest.raises(ValueError, match='found a colour image of mode RGB'):
        read_grey(tmp_path / 'c.png')
