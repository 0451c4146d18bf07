import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from mmlvs.evaluation.writers import RefYouTubeVOSWriter, zip_files
from mmlvs.registry import METRICS
from mmlvs.structures import VideoSegDataSample

SIZE = (6, 9)


def clip(video='a1b2', start=0, stop=2, num_frames=4, expressions=('0', '1'), frames=None, seed=0, **meta):
    """A predicted clip of frames start..stop of a video whose frames are 00000, 00005, ..."""
    names = [f'{5 * t:05d}' for t in range(start, stop)]
    sample = VideoSegDataSample(metainfo={**dict(
        video_id=video, frame_ids=names, num_frames=num_frames, texts=['x'] * len(expressions),
        expression_ids=list(expressions), ori_shape=SIZE, img_shape=SIZE), **meta})
    generator = torch.Generator().manual_seed(seed)
    shape = (len(expressions), len(names) if frames is None else len(frames), *SIZE)
    sample.set_prediction(torch.rand(shape, generator=generator) > 0.5, frames=frames)
    return sample


def test_every_frame_of_every_expression_is_written_and_zipped(tmp_path):
    writer = METRICS.build(dict(type='RefYouTubeVOSWriter', out_dir=str(tmp_path)))
    clips = [clip(), clip(start=2, stop=4, seed=1), clip(video='c', stop=1, num_frames=1, expressions=('7',), seed=2)]
    clips[0].pred_masks[0, 0] = False  # an empty mask is a file too
    for sample in clips:
        writer.process(None, [sample])
    assert writer.evaluate(3) == {'ref_youtube_vos/videos': 2.0, 'ref_youtube_vos/expressions': 3.0,
                                  'ref_youtube_vos/frames': 9.0}
    with zipfile.ZipFile(tmp_path / 'submission.zip') as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    assert names == sorted(names) and len(names) == 9 and 'Annotations/c/7/00000.png' in names
    with Image.open(tmp_path / 'Annotations' / 'a1b2' / '1' / '00015.png') as image:
        assert image.mode == 'L'
        assert np.array_equal(np.asarray(image), clips[1].pred_masks[1, 1].numpy() * np.uint8(255))
    with Image.open(tmp_path / 'Annotations' / 'a1b2' / '0' / '00000.png') as image:
        assert np.asarray(image).max() == 0


def test_missing_frames_are_reported_and_nothing_is_zipped(tmp_path):
    writer = RefYouTubeVOSWriter(out_dir=tmp_path)
    writer.process(None, [clip()])
    with pytest.raises(RuntimeError, match='2 expressions .*a1b2/0: 2 of 4'):
        writer.evaluate(1)
    assert not (tmp_path / 'submission.zip').exists()


def test_older_files_stay_out_of_the_archive(tmp_path):
    old = tmp_path / 'Annotations' / 'old' / '0' / '00000.png'
    old.parent.mkdir(parents=True)
    old.write_bytes(b'old')
    writer = RefYouTubeVOSWriter(out_dir=tmp_path, archive='b.zip')
    writer.process(None, [clip(stop=1, num_frames=1)])
    writer.evaluate(1)
    with zipfile.ZipFile(tmp_path / 'b.zip') as archive:
        assert archive.namelist() == ['Annotations/a1b2/0/00000.png', 'Annotations/a1b2/1/00000.png']


def test_repeated_clips_count_once_and_no_archive_on_request(tmp_path):
    writer = RefYouTubeVOSWriter(out_dir=tmp_path, archive=None, prefix='x')
    for _ in range(2):
        writer.process(None, [clip(num_frames=2)])
    assert writer.evaluate(1)['x/frames'] == 4.0
    assert not list(tmp_path.glob('*.zip'))


def test_only_predicted_frames_are_named(tmp_path):
    writer = RefYouTubeVOSWriter(out_dir=tmp_path, archive=None)
    writer.process(None, [clip(stop=3, frames=[1], num_frames=1)])
    assert sorted(p.name for p in tmp_path.rglob('*.png')) == ['00005.png', '00005.png']


def test_network_space_and_bad_names_are_refused(tmp_path):
    writer = RefYouTubeVOSWriter(out_dir=tmp_path)
    sample = clip()
    sample.mask_space = 'network'
    with pytest.raises(ValueError, match='expected "original"'):
        writer.process(None, [sample])
    with pytest.raises(ValueError, match='cannot be a file name'):
        writer.process(None, [clip(video='../../etc')])
    with pytest.raises(ValueError, match='no pred_masks'):
        writer.process(None, [VideoSegDataSample(metainfo=dict(video_id='v'))])
    assert not list(tmp_path.rglob('*'))


def test_archives_of_equal_files_are_equal_bytes(tmp_path):
    for name in ('b.txt', 'a.txt'):
        (tmp_path / name).write_text(name)
    zip_files(tmp_path, ['b.txt', 'a.txt'], tmp_path / '1.zip')
    (tmp_path / 'a.txt').touch()
    zip_files(tmp_path, ['a.txt', 'b.txt'], tmp_path / '2.zip')
    assert (tmp_path / '1.zip').read_bytes() == (tmp_path / '2.zip').read_bytes()
    with pytest.raises(FileNotFoundError):
        zip_files(tmp_path, ['c.txt'], tmp_path / '3.zip')
    assert not (tmp_path / '3.zip').exists()


def test_the_layout_of_the_server(tmp_path):
    """One grey PNG of 0 and 255 for every expression and frame under the single top folder, in a plain zip."""
    writer = RefYouTubeVOSWriter(out_dir=tmp_path)
    sample = clip(num_frames=2)
    writer.process(None, [sample])
    writer.evaluate(1)
    with zipfile.ZipFile(tmp_path / 'submission.zip') as archive:
        assert archive.namelist() == [f'Annotations/a1b2/{expression}/{frame}.png' for expression in '01'
                                      for frame in ('00000', '00005')]
        for info in archive.infolist():
            expression, frame = info.filename.split('/')[2:]
            with archive.open(info) as file, Image.open(file) as image:
                assert (image.format, image.mode, image.size) == ('PNG', 'L', SIZE[::-1])
                mask = sample.pred_masks[int(expression), ['00000.png', '00005.png'].index(frame)].numpy()
                assert np.array_equal(np.asarray(image), np.where(mask, 255, 0))


def test_what_an_interrupted_test_left_goes(tmp_path):
    folder = tmp_path / 'Annotations/a1b2/0'
    folder.mkdir(parents=True)
    left = [folder / '.00000.abcd.part.png', tmp_path / '.submission.abcd.part.zip']
    for path in left:
        path.write_bytes(b'half')
    writer = RefYouTubeVOSWriter(out_dir=tmp_path)
    writer.process(None, [clip(num_frames=2)])
    assert all(path.exists() for path in left), 'others may still be writing'
    writer.evaluate(1)
    assert not any(path.exists() for path in left) and (folder / '00000.png').exists()


def test_an_interruption_leaves_no_archive(tmp_path, monkeypatch):
    writer = RefYouTubeVOSWriter(out_dir=tmp_path)
    writer.process(None, [clip(num_frames=2)])
    (tmp_path / 'submission.zip').write_bytes(b'of an earlier run')
    real = zipfile.ZipFile.writestr

    def interrupted(archive, info, data):
        if len(archive.namelist()) == 2:
            raise KeyboardInterrupt
        real(archive, info, data)

    monkeypatch.setattr(zipfile.ZipFile, 'writestr', interrupted)
    with pytest.raises(KeyboardInterrupt):
        writer.evaluate(1)
    assert (tmp_path / 'submission.zip').read_bytes() == b'of an earlier run'
    assert not list(tmp_path.glob('.*'))


def test_mevis_archive_has_the_videos_at_its_root(tmp_path):
    writer = METRICS.build(dict(type='MeViSWriter', out_dir=str(tmp_path)))
    writer.process(None, [clip(), clip(start=2, stop=4)])
    assert writer.evaluate(2)['mevis/frames'] == 8
    with zipfile.ZipFile(tmp_path / 'submission.zip') as archive:
        assert archive.namelist()[0] == 'a1b2/0/00000.png' and len(archive.namelist()) == 8
