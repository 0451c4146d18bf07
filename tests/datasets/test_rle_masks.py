"""Run-length codes in one file, packed."""

import json
import pickle

import numpy as np
import pytest

from mmlvs.datasets.rle_masks import RLEMasks, RunLengthCodes
from mmlvs.io import encode_rle


def _masks(number, size=(5, 7), seed=0):
    return np.random.default_rng(seed).random((number, *size)) > 0.5


def _write(file, content):
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


@pytest.fixture
def file(tmp_path):
    first, second = _masks(2), _masks(3, seed=1)
    runs = [int(n) for n in np.diff(np.flatnonzero(np.diff(second[2].T.ravel(), prepend=2, append=2)))]
    runs = runs if not second[2].T.ravel()[0] else [0, *runs]
    content = {'0': [encode_rle(first[0]), None, encode_rle(first[1])], '10': [encode_rle(m) for m in second[:2]],
               '7': [None, None], '8': [dict(size=[5, 7], counts=runs)]}
    return _write(tmp_path / 'mask_dict.json', content), first, second


def test_every_code_comes_back(file):
    path, first, second = file
    source = pickle.loads(pickle.dumps(RLEMasks(file=path)))
    frame = source.read('v', 'f', 2, ['10', '0'])
    assert (frame.objects[1] == first[1]).all() and not frame.objects[0].any() and not frame.ignore.any()
    assert (source.read('v', 'f', 1, ['0', '10']).objects == np.stack([np.zeros((5, 7)), second[1]])).all()
    assert (source.instance('8', 0, (5, 7)) == second[2]).all()  # not compressed
    assert [source.length_of(o) for o in ('0', '10', '7')] == [3, 2, 2]


def test_size_where_no_code_tells_it(file):
    path = file[0]
    with pytest.raises(ValueError, match='have no mask in any frame, so their size is unknown'):
        RLEMasks(file=path).read('v', 'f', 0, ['7'])
    frame = RLEMasks(file=path, video_size=lambda video: (2, 3)).read('v', 'f', 0, ['7'])
    assert frame.objects.shape == (1, 2, 3) and not frame.objects.any()
    assert RLEMasks(file=path, video_size=lambda video: (2, 3)).read('v', 'f', 0, []).objects.shape == (0, 2, 3)


def test_what_does_not_fit(file, tmp_path):
    source = RLEMasks(file=file[0])
    with pytest.raises(KeyError, match="has no masks of object '3'"):
        source.read('v', 'f', 0, ['0', '3'])
    with pytest.raises(ValueError, match=r"object '0', frame 0: run-length code of size \(5, 7\) .* expected \(7, 5\)"):
        source.instance('0', 0, (7, 5))
    with pytest.raises(FileNotFoundError, match='masks are missing'):
        RLEMasks(file=tmp_path / 'none.json')
    for content, message in (('{', 'is no valid JSON'), ([], 'expected an object of masks'),
                             ({'0': {}}, "entry '0': expected a list"), ({'0': [7]}, "'0', frame 0: expected null")):
        with pytest.raises(ValueError, match=message):
            RLEMasks(file=_write(tmp_path / 'wrong.json', content))


def test_a_file_that_changes_is_read_again(tmp_path):
    path = _write(tmp_path / 'masks.json', {'0': [None]})
    assert '1' not in RLEMasks(file=path)
    _write(path, {'0': [None], '1': [None]})
    assert '1' in RLEMasks(file=path)


def test_codes_take_little_memory():
    codes = RunLengthCodes({str(k): [encode_rle(m) for m in _masks(4, seed=k)] for k in range(3)}, 'x')
    assert len(codes.text) == codes.ends[-1] and codes.sizes.nbytes == 12 * 8 and list(codes) == ['0', '1', '2']
    assert codes.get('1', 4) is None and codes.size_of('2') == (5, 7)
