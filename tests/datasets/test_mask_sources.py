"""Index PNGs and the array rules of A2D and JHMDB."""

import numpy as np
import pytest
from PIL import Image

from mmlvs.datasets.mask_sources import IndexPNG, a2d_object_mask, jhmdb_frame_mask
from mmlvs.io import read_index_png


@pytest.fixture
def source(tmp_path):
    (tmp_path / 'v').mkdir()
    return IndexPNG(path=str(tmp_path / '{video}' / '{frame}.png'))


def _save(source, image):
    image.save(source.file_of('v', 'f'))


def test_palette_and_grey_give_the_index(source):
    index = np.zeros((4, 6), np.uint8)
    index[0, 0], index[1, 2:4], index[3] = 1, 10, 255
    image = Image.fromarray(index)
    _save(source, image)
    assert (read_index_png(source.file_of('v', 'f')) == index).all()
    image.putpalette([7 * i % 256 for i in range(768)])
    _save(source, image)
    frame = source.read('v', 'f', 0, ['10', '2', '1'])
    assert [m.sum() for m in frame.objects] == [2, 0, 1] and frame.objects.dtype == np.uint8
    assert (frame.ignore == (index == 255)).all()


def test_wrong_files(source):
    with pytest.raises(FileNotFoundError, match='annotation is missing'):
        source.read('v', 'f', 0, ['1'])
    _save(source, Image.new('RGB', (6, 4)))
    with pytest.raises(ValueError, match=r'f\.png: expected an index PNG .* found mode RGB; write the object ids'):
        source.read('v', 'f', 0, ['1'])
    source.file_of('v', 'f').write_bytes(b'no image')
    with pytest.raises(ValueError, match='cannot be decoded'):
        source.read('v', 'f', 0, ['1'])


@pytest.mark.parametrize('object_id', ['0', '256', '255', 'dog', '-1'])
def test_wrong_object_ids(source, object_id):
    _save(source, Image.new('L', (6, 4)))
    with pytest.raises(ValueError, match='expected the pixel value of an object'):
        source.read('v', 'f', 0, [object_id])


def test_without_void_255_is_an_object(source):
    _save(source, Image.new('L', (6, 4), 255))
    plain = IndexPNG(path=source.path, void=None)
    frame = plain.read('v', 'f', 0, ['255'])
    assert frame.objects.all() and not frame.ignore.any()


def test_a2d_arrays_are_transposed():
    masks = np.zeros((2, 6, 4), np.uint8)  # N W H
    masks[1, 5, 0] = 1
    mask = a2d_object_mask(masks, np.array([0.0, 3.0]), 3)
    assert mask.shape == (4, 6) and mask[0, 5] == 1 and mask.sum() == 1
    assert (a2d_object_mask(masks[1], np.array([[3.0]]), 3) == mask).all()
    with pytest.raises(ValueError, match=r'instance 7 is not annotated in this frame, only \[0.0, 3.0\]'):
        a2d_object_mask(masks, np.array([0.0, 3.0]), 7)


def test_jhmdb_arrays_are_not():
    masks = np.zeros((4, 6, 3), np.uint8)
    masks[1, 5, 2] = 1
    assert jhmdb_frame_mask(masks, 3)[1, 5] == 1 and not jhmdb_frame_mask(masks, 1).any()
    with pytest.raises(ValueError, match='covers frames 1..3'):
        jhmdb_frame_mask(masks, 4)
