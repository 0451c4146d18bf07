"""Conversion of DAVIS and YouTube-VOS to the layout of zero-shot training."""

import json

import numpy as np
import pytest
from PIL import Image

from mmlvs.datasets import ZeroShotDataset

from .loading import ROOT, load_tool

DAVIS = ROOT / 'tests' / 'data' / 'samples' / 'davis2016'


@pytest.fixture
def tool():
    return load_tool('dataset_converters/zero_shot.py')


def test_davis_is_read_back(tool, tmp_path, capsys):
    out = tmp_path / 'TrainSet' / 'DAVIS'
    command = ['davis2016', '--data-root', str(DAVIS), '--split', 'val', '--out', str(out)]
    before = {f: f.stat().st_mtime_ns for f in DAVIS.rglob('*') if f.is_file()}
    assert tool.main(command) == 0
    assert '16 files written' in capsys.readouterr().out
    dataset = ZeroShotDataset(data_root=tmp_path / 'TrainSet', split='DAVIS', flow=False, test_mode=True,
                              pipeline=[dict(type='LoadFrames'), dict(type='LoadMasks'), dict(type='PackClip')])
    assert [v.video_id for v in dataset.videos] == ['blackswan', 'dog']
    sample = dataset[1]['data_samples']
    assert sample.target(0)[0].sum() == 279 and sample.gt_masks.max() == 255
    assert tool.main(command) == 0
    assert 'nothing to do: 16 files are there' in capsys.readouterr().out
    (out / 'dog/GT/00001.png').unlink()
    (out / 'dog/Frame/00002.jpg').unlink()
    assert tool.main(command) == 0
    assert '2 files written, 14 already there' in capsys.readouterr().out
    assert {f: f.stat().st_mtime_ns for f in DAVIS.rglob('*') if f.is_file()} == before


def test_objects_merge_and_frames_thin_out(tool, tmp_path, capsys):
    root = tmp_path / 'ytvos'
    for t in range(5):
        for kind, shape, suffix in (('JPEGImages', (4, 6, 3), 'jpg'), ('Annotations', (4, 6), 'png')):
            array = np.zeros(shape, np.uint8)
            if kind == 'Annotations':
                array[0, :3] = [1, 5, 0]
            file = root / 'train' / kind / 'v' / f'{5 * t:05d}.{suffix}'
            file.parent.mkdir(parents=True, exist_ok=True)
            if kind == 'JPEGImages' or t != 2:  # one frame is not annotated
                Image.fromarray(array).save(file)
    (root / 'train/meta.json').write_text(json.dumps(dict(videos=dict(v=dict(objects={'1': {}, '5': {}})))))
    out = tmp_path / 'out'
    assert tool.main(['youtube-vos', '--data-root', str(root), '--out', str(out), '--every', '2']) == 0
    assert sorted(f.name for f in (out / 'v/GT').iterdir()) == ['00000.png', '00020.png']
    assert len(list((out / 'v/Frame').iterdir())) == 5  # flow is that of neighbours
    assert np.array(Image.open(out / 'v/GT/00000.png'))[0].tolist() == [255, 255, 0, 0, 0, 0]
    assert tool.main(['youtube-vos', '--data-root', str(tmp_path), '--out', str(out)]) == 1
    assert 'expected the annotation file' in capsys.readouterr().err
