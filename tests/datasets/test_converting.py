"""Files of a conversion: placed or written once, whole."""

import json
import os

import numpy as np
import pytest

from mmlvs.datasets.converting import Conversion, coco_truth
from mmlvs.io import decode_rle


@pytest.mark.parametrize('mode', ['hardlink', 'symlink', 'copy'])
def test_files_are_placed_once(tmp_path, mode):
    source, target = tmp_path / 'source.jpg', tmp_path / 'out' / 'deep' / 'target.jpg'
    source.write_bytes(b'pixels')
    conversion = Conversion(mode=mode)
    conversion.place(source, target)
    conversion.place(source, target)
    assert (conversion.written, conversion.kept) == (1, 1) and target.read_bytes() == b'pixels'
    assert target.is_symlink() == (mode == 'symlink') and os.path.samefile(source, target) == (mode != 'copy')
    assert [f.name for f in target.parent.iterdir()] == ['target.jpg']


def test_a_torn_file_is_placed_again(tmp_path):
    (tmp_path / 'source').write_bytes(b'pixels')
    (tmp_path / 'target').write_bytes(b'pix')
    (tmp_path / '.target.part').write_bytes(b'p')
    conversion = Conversion()
    conversion.place(tmp_path / 'source', tmp_path / 'target')
    assert conversion.written == 1 and (tmp_path / 'target').read_bytes() == b'pixels'
    assert sorted(f.name for f in tmp_path.iterdir()) == ['source', 'target']


def test_links_across_file_systems_become_copies(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError('cross-device link')
    monkeypatch.setattr(os, 'link', refuse)
    (tmp_path / 'source').write_bytes(b'pixels')
    Conversion().place(tmp_path / 'source', tmp_path / 'target')
    assert (tmp_path / 'target').read_bytes() == b'pixels'


def test_json_is_written_unless_it_says_the_same(tmp_path):
    file, conversion = tmp_path / 'a.json', Conversion()
    conversion.write_json(file, dict(a=(1, 2)))
    conversion.write_json(file, dict(a=[1, 2]), replace=False)
    assert (conversion.written, conversion.kept) == (1, 1)
    with pytest.raises(FileExistsError, match='exists and differs'):
        conversion.write_json(file, dict(a=3), replace=False)
    conversion.write_json(file, dict(a=3))
    file.write_text('{')
    conversion.write_json(file, dict(a=4))
    assert json.loads(file.read_text()) == dict(a=4)
    assert conversion.summary() == '3 files written, 1 already there'
    assert Conversion(kept=2, remarks=['but']).summary() == 'nothing to do: 2 files are there\nbut'


def test_coco_truth():
    mask = np.zeros((4, 6), np.uint8)
    mask[1:3, 2:5] = 1
    truth = coco_truth([('v_a_f_1', mask, None), ('v_b_f_2', mask, [1.0, 2.0, 3.0, 4.0])])
    assert truth['images'][1] == dict(id='v_b_f_2', height=4, width=6)
    assert [a['id'] for a in truth['annotations']] == [1, 2] and 'bbox' not in truth['annotations'][0]
    assert truth['annotations'][1]['bbox'] == [1.0, 2.0, 3.0, 4.0] and truth['annotations'][0]['area'] == 6.0
    assert (decode_rle(truth['annotations'][0]['segmentation']) == mask).all()
