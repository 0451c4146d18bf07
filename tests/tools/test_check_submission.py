"""Submissions before upload: a good one passes, and everything wrong is listed."""
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from mmlvs.evaluation.submission import TARGETS, wanted_of_dataset
from mmlvs.io.masks import write_index_png, write_mask_png
from tests.tools.loading import ROOT, load_tool

SAMPLES = ROOT / 'tests/data/samples'


@pytest.fixture(scope='module')
def tool():
    return load_tool('analysis_tools/check_submission.py')


def write(root, wanted, size=None, write_one=write_mask_png):
    for folder, frames in wanted.folders.items():
        shape = size or wanted.sizes[wanted.video_of[folder]]
        for frame in frames:
            mask = np.zeros(shape, bool)
            mask[2:5, 3:8] = True
            write_one(root / folder / f'{frame}.png', mask)


def zip_of(folder, path):
    with zipfile.ZipFile(path, 'w') as archive:
        for file in sorted(folder.rglob('*.png')):
            archive.write(file, file.relative_to(folder).as_posix())
    return path


@pytest.mark.parametrize('name', ['ref-youtube-vos', 'mevis'])
def test_folder_and_zip(tool, tmp_path, capsys, name):
    root = SAMPLES / name
    wanted = wanted_of_dataset(TARGETS[name], root)
    write(tmp_path / 'out', wanted)
    command = ['--target', name, '--data-root', str(root)]
    assert tool.main([str(tmp_path / 'out'), *command]) == 0
    archive = zip_of(tmp_path / 'out', tmp_path / 'submission.zip')
    assert tool.main([str(archive), *command]) == 0
    assert 'no problem found' in capsys.readouterr().out
    folder = tmp_path / 'out' / next(iter(wanted.folders))
    files = sorted(folder.glob('*.png'))
    files[0].unlink()
    Image.fromarray(np.full((4, 5), 7, np.uint8)).save(files[-1])
    (folder / 'extra.png').write_bytes(b'')
    (tmp_path / 'out' / 'readme.txt').write_text('x')
    assert tool.main([str(tmp_path / 'out'), *command]) == 1
    text = capsys.readouterr().out
    for part in ('1 missing frames', 'unexpected frames: extra', 'size 4 x 5', 'values [7], expected 0 and 255 only',
                 'readme.txt: does not belong'):
        assert part in text


def test_nesting_and_broken_archives(tool, tmp_path, capsys):
    root = SAMPLES / 'mevis'
    write(tmp_path / 'out' / 'Annotations', wanted_of_dataset(TARGETS['mevis'], root))
    command = ['--target', 'mevis', '--data-root', str(root)]
    assert tool.main([str(tmp_path / 'out'), *command]) == 1
    assert 'with nothing above it, found Annotations/' in capsys.readouterr().out
    (tmp_path / 'x.zip').write_bytes(b'no zip')
    assert tool.main([str(tmp_path / 'x.zip'), *command]) == 1
    assert 'neither a folder nor a zip' in capsys.readouterr().err
    (tmp_path / 'empty').mkdir()
    assert tool.main([str(tmp_path / 'empty'), *command]) == 1
    assert tool.main([str(tmp_path / 'absent'), *command]) == 1
    with pytest.raises(SystemExit):
        tool.main([str(tmp_path / 'empty'), '--target', 'mevis'])


def test_meta_file_without_the_videos_of_another(tool, tmp_path, capsys):
    videos = {name: {'expressions': {'0': {'exp': 'x'}}, 'frames': ['00000', '00005']} for name in ('a', 'b')}
    (tmp_path / 'valid.json').write_text(json.dumps({'videos': videos}))
    (tmp_path / 'test.json').write_text(json.dumps({'videos': {'b': videos['b']}}))
    for frame in ('00000', '00005'):
        write_mask_png(tmp_path / 'out/Annotations/a/0' / f'{frame}.png', np.zeros((4, 6), bool))
    command = [str(tmp_path / 'out'), '--target', 'ref-youtube-vos', '--meta', str(tmp_path / 'valid.json')]
    assert tool.main([*command, '--exclude', str(tmp_path / 'test.json')]) == 0
    assert '1 videos, 1 folders, 2 files expected' in capsys.readouterr().out
    assert tool.main(command) == 1
    assert 'Annotations/b/0: missing, 2 frames' in capsys.readouterr().out
    write_mask_png(tmp_path / 'out/Annotations/a/0/00005.png', np.zeros((6, 4), bool))
    assert tool.main([*command, '--headers-only', '--exclude', str(tmp_path / 'test.json')]) == 1
    assert 'size 6 x 4 (H x W), expected 4 x 6: 00005' in capsys.readouterr().out
    (tmp_path / 'test.json').write_text('[]')
    assert tool.main([*command, '--exclude', str(tmp_path / 'test.json')]) == 1


def test_index_maps_of_ref_davis(tool, tmp_path, capsys):
    videos = {'a': {'expressions': {str(k): {'exp': 'x'} for k in range(8)}, 'frames': ['00000', '00001']}}
    (tmp_path / 'meta.json').write_text(json.dumps({'videos': videos}))
    index = np.zeros((5, 6), np.uint8)
    index[1:3, 1:3], index[4] = 1, 2
    for k in range(4):
        for frame in ('00000', '00001'):
            write_index_png(tmp_path / f'out/anno_{k}/a/{frame}.png', index)
    command = [str(tmp_path / 'out'), '--target', 'ref-davis', '--meta', str(tmp_path / 'meta.json')]
    assert tool.main(command) == 0
    write_index_png(tmp_path / 'out/anno_1/a/00000.png', index + np.uint8(1))
    with Image.open(tmp_path / 'out/anno_2/a/00001.png') as image:
        image.putpalette(bytes(range(256)) * 3)
        image.save(tmp_path / 'out/anno_2/a/00001.png')
    write_mask_png(tmp_path / 'out/anno_3/a/00001.png', index > 0)
    assert tool.main(command) == 1
    text = capsys.readouterr().out
    for part in ('anno_1/a: index 3, but the video has 2 objects: 00000', 'palette is not that of PASCAL VOC',
                 'anno_3/a: mode L, expected P'):
        assert part in text
