import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from mmlvs.io import decode_rle, encode_rle, pascal_palette, read_index_png, write_index_png, write_mask_png

MASKS = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=17))


def test_palette_follows_pascal():
    palette = pascal_palette()
    assert palette.shape == (256, 3)
    assert palette[:8].tolist() == [
        [0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [0, 0, 128], [128, 0, 128], [0, 128, 128], [128, 128, 128]]
    assert palette[8].tolist() == [64, 0, 0] and palette[255].tolist() == [224, 224, 192]
    assert len(np.unique(palette, axis=0)) == 256


def test_index_png_keeps_ids_and_palette(tmp_path):
    index = np.arange(256, dtype=np.int64).reshape(8, 32)
    path = write_index_png(tmp_path / 'a' / '00000.png', index)
    np.testing.assert_array_equal(read_index_png(path), index)
    with Image.open(path) as image:
        assert image.mode == 'P'
        assert image.getpalette()[3:6] == [128, 0, 0]


@pytest.mark.parametrize('bad', [np.zeros((2, 2)), np.zeros((2, 2, 3), np.uint8), np.array([[256]]), np.array([[-1]])])
def test_index_png_refuses(tmp_path, bad):
    with pytest.raises(ValueError, match='x.png'):
        write_index_png(tmp_path / 'x.png', bad)
    assert not (tmp_path / 'x.png').exists()


def test_mask_png(tmp_path):
    mask = np.array([[True, False], [False, True], [True, True]])
    path = write_mask_png(tmp_path / 'm.png', mask)
    with Image.open(path) as image:
        assert image.mode == 'L'
        np.testing.assert_array_equal(np.array(image), mask * 255)
    with pytest.raises(ValueError, match='boolean'):
        write_mask_png(path, mask.astype(np.uint8))


def test_read_index_png_explains(tmp_path):
    with pytest.raises(FileNotFoundError, match='none.png: annotation is missing'):
        read_index_png(tmp_path / 'none.png')
    Image.new('RGB', (4, 4)).save(tmp_path / 'rgb.png')
    with pytest.raises(ValueError, match='mode RGB'):
        read_index_png(tmp_path / 'rgb.png')
    whole = write_index_png(tmp_path / 'whole.png', np.random.default_rng(0).integers(0, 9, (64, 64)))
    (tmp_path / 'cut.png').write_bytes(whole.read_bytes()[:-400])
    with pytest.raises(ValueError, match='cut.png: annotation cannot be decoded'):
        read_index_png(tmp_path / 'cut.png')


@settings(deadline=None)
@given(MASKS)
def test_rle_there_and_back(mask):
    code = json.loads(json.dumps(encode_rle(mask)))
    assert code['size'] == list(mask.shape)
    np.testing.assert_array_equal(decode_rle(code), mask)
    np.testing.assert_array_equal(decode_rle({**code, 'counts': code['counts'].encode()}), mask)


@settings(deadline=None)
@given(MASKS)
def test_rle_from_run_lengths(mask):
    flat = np.concatenate([[False], mask.T.ravel()])  # counts start with the background's
    ends = np.flatnonzero(np.diff(flat)).tolist() + [mask.size]
    counts = np.diff([0, *ends]).tolist()
    np.testing.assert_array_equal(decode_rle({'size': list(mask.shape), 'counts': counts}), mask)


@given(st.integers(1, 5))
def test_rle_refuses(extra):
    with pytest.raises(ValueError, match='sum to'):
        decode_rle({'size': [2, 2], 'counts': [4, extra]})
    with pytest.raises(ValueError, match="without \\['counts'\\]"):
        decode_rle({'size': [2, 2]})
    with pytest.raises(ValueError, match='0/1'):
        encode_rle(np.full((2, 2), extra + 1))
