"""Reading frames and masks: once per file, and every fault names its file."""

import numpy as np
import pytest
from PIL import Image

from mmlvs.datasets.mask_sources import FrameMasks, IndexPNG
from mmlvs.datasets.transforms import LoadFrames, LoadMasks


@pytest.fixture
def video(tmp_path):
    """``results`` of three frames, red channel = 50 t, object 2 in t + 1 pixels."""
    for t in range(3):
        pixels = np.zeros((6, 8, 3), np.uint8)
        pixels[..., 0] = 50 * t
        Image.fromarray(pixels).save(tmp_path / f'{t}.jpg', quality=100, subsampling=0)
        index = np.zeros((6, 8), np.uint8)
        index[0, :t + 1] = 2
        Image.fromarray(index).save(tmp_path / f'{t}.png')
    return dict(video_id='v', frame_ids=['0', '1', '2'], frame_index=[0, 1, 2], object_ids=['2', '1'],
                frame_paths=[str(tmp_path / f'{t}.jpg') for t in range(3)],
                mask_source=IndexPNG(path=str(tmp_path / '{frame}.png')))


def _repeat(video):
    order = [2, 0, 0]
    video.update(frame_ids=[str(t) for t in order], frame_index=order,
                 frame_paths=[video['frame_paths'][t] for t in order])
    return video


def test_frames_and_masks(video):
    got = LoadMasks()(LoadFrames()(video))
    frames = got['frames']['img']
    assert frames.shape == (3, 6, 8, 3) and frames.dtype == np.uint8
    np.testing.assert_allclose(frames[..., 0].mean((1, 2)), [0, 50, 100], atol=1)
    assert got['ori_shape'] == got['img_shape'] == (6, 8) and got['scale_factor'] == (1.0, 1.0) and got['flip'] is False
    assert got['gt_masks'].sum((2, 3)).tolist() == [[1, 2, 3], [0, 0, 0]] and got['gt_masks'].dtype == np.uint8
    assert got['gt_valid'].tolist() == [[True] * 3, [False] * 3] and got['gt_annotated'].all()
    assert got['gt_boxes'][0].tolist() == [[0, 0, t, 0] for t in range(3)] and got['gt_boxes'].dtype == np.float32


def test_every_file_is_read_once(video, monkeypatch):
    opened = []
    original = Image.open
    monkeypatch.setattr(Image, 'open', lambda file, *a: opened.append(file.name) or original(file, *a))
    got = LoadMasks()(LoadFrames()(_repeat(video)))
    assert sorted(opened) == ['0.jpg', '0.png', '2.jpg', '2.png']
    assert got['gt_masks'][0].sum((1, 2)).tolist() == [3, 1, 1]
    np.testing.assert_allclose(got['frames']['img'][:, 0, 0, 0], [100, 0, 0], atol=1)


def test_frames_that_are_not_annotated(video):
    class Sparse(IndexPNG):
        def read(self, video_id, frame_id, frame_index, object_ids):
            return super().read(video_id, frame_id, frame_index, object_ids) if frame_index == 1 else None

    video['mask_source'] = Sparse(path=video['mask_source'].path)
    got = LoadMasks()(LoadFrames()(dict(video)))
    assert got['gt_annotated'].tolist() == [False, True, False] and got['gt_valid'][0].tolist() == [False, True, False]
    video.update(frame_ids=['0'], frame_index=[0])
    with pytest.raises(ValueError, match='put LoadFrames before LoadMasks'):
        LoadMasks()(video)


def test_no_masks(video):
    video['mask_source'] = None
    assert not [key for key in LoadMasks()(video) if key.startswith('gt_')]


def test_missing_frame(video, tmp_path):
    (tmp_path / '1.jpg').unlink()
    with pytest.raises(FileNotFoundError, match=r'1\.jpg: frame is missing; check the folder'):
        LoadFrames()(video)


@pytest.mark.parametrize('name', ['1.jpg', '1.png'])
def test_truncated_file(video, tmp_path, name):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (60, 80), dtype=np.uint8)).save(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[:len(content) // 2])
    with pytest.raises(ValueError, match=rf'{name}: .* cannot be decoded'):
        LoadMasks()(LoadFrames()(video))


def test_sizes_must_agree(video, tmp_path):
    Image.new('L', (9, 6)).save(tmp_path / '2.png')
    with pytest.raises(ValueError, match=r"2\.png: masks of size \(6, 9\).*video 'v' have \(6, 8\)"):
        LoadMasks()(LoadFrames()(dict(video)))
    Image.new('RGB', (9, 6)).save(tmp_path / '2.jpg')
    with pytest.raises(ValueError, match=r'2\.jpg: frame of size \(6, 9\)'):
        LoadFrames()(video)


def test_soft_truth_keeps_its_values(video):
    class Soft:
        def read(self, video_id, frame_id, frame_index, object_ids):
            return FrameMasks(np.full((2, 6, 8), 90, np.uint8), np.zeros((6, 8), bool), 'soft')

    video['mask_source'] = Soft()
    assert set(np.unique(LoadMasks()(video)['gt_masks'])) == {90}
