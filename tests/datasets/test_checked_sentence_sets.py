"""Sets of sentences with something missing or damaged: the check names it, and finds nothing in the whole samples."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from mmlvs.datasets.checked_sets import SETS
from mmlvs.datasets.checking import check_split

SAMPLES = Path(__file__).parents[1] / 'data' / 'samples'
H5 = 'text_annotations/a2d_annotation_with_instances'
WAVE = 'Rename_Images/wave/Vid_wave_u_nm_np1_fr_med_1'
IMAGES = 'images/mscoco/images/train2014'


def _problems(name, root):
    checked = SETS[name]
    reports = [check_split(split, build, further=checked.further) for split, build in checked.parts(root).items()]
    assert reports
    return [(problem.kind, problem.split, problem.message) for report in reports for problem in report.problems]


def _cut(file):
    file.write_bytes(file.read_bytes()[:120])


def _shrink(file):
    with Image.open(file) as image:
        small = image.resize((20, 16))
    small.save(file)


@pytest.mark.parametrize('name', ['a2d_sentences', 'jhmdb_sentences', 'locater', 'ref-davis', 'refer_data'])
def test_whole_samples(name):
    assert not _problems(name, SAMPLES / name)


@pytest.mark.parametrize('name, file, damage, kind, split', [
    ('a2d_sentences', 'Release/clips320H/T6bNPuKV-wY.mp4', Path.unlink, 'missing video', 'test'),
    ('a2d_sentences', 'Release/clips320H/zZ9yX8wV7u0.mp4', _cut, 'unreadable', 'train'),
    ('a2d_sentences', f'{H5}/-0AbC_dEf12/00012.h5', _cut, 'unreadable', 'test'),
    ('jhmdb_sentences', f'{WAVE}/00003.png', Path.unlink, 'missing frame', 'test'),
    ('jhmdb_sentences', f'{WAVE}/00004.png', _cut, 'unreadable', 'test'),
    ('jhmdb_sentences', f'{WAVE}/00001.png', _shrink, 'size', 'test'),
    ('locater', 'A2D_SUBSET/NORM/mask/vANORM_1_2_00011.pth', Path.unlink, 'missing mask', 'NORM'),
    ('locater', 'A2D_SUBSET/MUL/allPngs320H/vAMUL_1/00002.png', Path.unlink, 'missing frame', 'MUL'),
    ('locater', 'JHMDB/images/walk/w_1', shutil.rmtree, 'missing video', 'JHMDB'),
    ('ref-davis', 'DAVIS/JPEGImages/480p/kite-surf/00002.jpg', Path.unlink, 'missing frame', 'valid'),
    ('ref-davis', 'DAVIS/JPEGImages/480p/blackswan', shutil.rmtree, 'missing video', 'valid'),
    ('ref-davis', 'DAVIS/Annotations_unsupervised/480p/dogs-scale/00001.png', Path.unlink, 'missing mask', 'train'),
    ('refcocog_umd', f'{IMAGES}/COCO_train2014_000000581857.jpg', _shrink, 'size', 'refcocog/umd/train'),
    ('refcocog_umd', f'{IMAGES}/COCO_train2014_000000000072.jpg', Path.unlink, 'missing frame', 'refcocog/umd/val'),
    ('refcoco', 'refcoco/refs(unc).p', _cut, 'annotation', 'refcoco/unc/train'),
])
def test_damage_is_named(tmp_path, name, file, damage, kind, split):
    root = tmp_path / 'set'
    shutil.copytree(SAMPLES / (name if (SAMPLES / name).is_dir() else 'refer_data'), root)
    damage(root / file)
    found = [p for p in _problems(name, root) if p[:2] == (kind, split)]
    assert found and any(Path(file).stem in message for *_, message in found) or 'w_1' in file and found
