"""The speed of scores: pairs are held against each other before they are timed."""
from types import SimpleNamespace

import numpy as np
import pytest

from mmlvs.evaluation.measuring import guesses, load_plain, measure_scores, read_clips
from mmlvs.io.masks import write_index_png
from tests.plain import scores as plain
from tests.tools.loading import ROOT


class Table:
    def __init__(self):
        self.names = []

    def timing(self, name, timing, **more):
        self.names.append((name, more.get('baseline') is not None))


def tracks():
    mask = np.zeros((3, 48, 80), bool)
    mask[:, 10:30, 20:50] = True
    return {'a': mask}


def test_every_part_is_compared():
    table = Table()
    measure_scores(table, tracks=tracks(), plain=plain, seed=0, repeats=1, warmup=0)
    names = [name for name, compared in table.names if compared]
    assert len(names) == 7 and any('A2D' in name for name in names) and any('isomer' in name for name in names)


def test_forms_that_disagree_are_not_timed():
    wrong = SimpleNamespace(track_scores=lambda p, g, **_: (np.zeros(len(p)), np.zeros(len(p))), dilate_scipy=None)
    with pytest.raises(ValueError, match='one of them is wrong'):
        measure_scores(Table(), tracks=tracks(), plain=wrong, seed=0, repeats=1, warmup=0, parts=('jf',))


def test_clips_and_plain_forms_from_disk(tmp_path):
    index = np.zeros((6, 8), np.uint8)
    index[2:4, 2:4], index[0, 0] = 3, 255
    for t in range(4):
        write_index_png(tmp_path / 'Annotations/clip' / f'{t:05d}.png', index)
    found = read_clips(tmp_path, 3)
    assert list(found) == ['clip/3'] and found['clip/3'].shape == (3, 6, 8) and found['clip/3'][0].sum() == 4
    levels, mask = guesses(tracks()['a'], 0)
    assert levels.dtype == np.uint8 and (mask == (levels > 128)).all()
    with pytest.raises(FileNotFoundError, match='Annotations'):
        read_clips(tmp_path / 'none', 3)
    assert callable(load_plain(ROOT / 'tests/plain/scores.py').track_scores)
    with pytest.raises(FileNotFoundError, match='source repository'):
        load_plain(tmp_path / 'scores.py')
