import numpy as np
import pytest
from PIL import Image

from mmlvs.io import iter_frames, list_frame_files, read_frames, write_video


def moving_square(frames=7, height=48, width=64):
    video = np.full((frames, height, width, 3), (30, 60, 90), np.uint8)
    for step in range(frames):
        video[step, 12:36, 4 + 4 * step:24 + 4 * step] = (220, 40, 20)
    return video


@pytest.mark.parametrize('size', [(48, 64), (47, 63), (33, 2)])
def test_video_there_and_back(tmp_path, size):
    video = moving_square(height=size[0], width=size[1])
    path = write_video(tmp_path / 'a' / 'b.mp4', iter(video), fps=5)
    found = read_frames(path)
    assert found.shape == (7, size[0] + size[0] % 2, size[1] + size[1] % 2, 3)
    inner = found[:, :size[0], :size[1]].astype(int)
    assert np.abs(inner - video).mean() < 6  # lossy, but the same picture with red as red
    assert [path.name for path in path.parent.iterdir()] == ['b.mp4']


def test_folder_in_order_of_numbers(tmp_path):
    for number in (10, 2, 1):
        Image.new('RGB', (8, 6), (number, 0, 0)).save(tmp_path / f'frame{number}.png')
    (tmp_path / 'notes.txt').write_text('not a frame')
    assert [path.stem for path in list_frame_files(tmp_path)] == ['frame1', 'frame2', 'frame10']
    assert read_frames(tmp_path)[:, 0, 0, 0].tolist() == [1, 2, 10]
    assert len(read_frames(tmp_path, limit=2)) == 2
    assert next(iter_frames(tmp_path / 'frame10.png')).shape == (6, 8, 3)


def test_read_explains(tmp_path):
    with pytest.raises(FileNotFoundError, match='no video at'):
        read_frames(tmp_path / 'none.mp4')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(FileNotFoundError, match='holds no image'):
        read_frames(tmp_path / 'empty')
    (tmp_path / 'text.mp4').write_text('this is no video')
    with pytest.raises(ValueError, match='text.mp4'):
        read_frames(tmp_path / 'text.mp4')
    folder = tmp_path / 'cut'
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / '0.jpg')
    (folder / '0.jpg').write_bytes((folder / '0.jpg').read_bytes()[:-300])
    with pytest.raises(ValueError, match='0.jpg: frame cannot be decoded'):
        read_frames(folder)


def test_frames_of_two_sizes(tmp_path):
    Image.new('RGB', (8, 6)).save(tmp_path / '0.png')
    Image.new('RGB', (9, 6)).save(tmp_path / '1.png')
    with pytest.raises(ValueError, match=r'\[\(6, 8\), \(6, 9\)\]'):
        read_frames(tmp_path)
    frames = [np.zeros((6, 8, 3), np.uint8), np.zeros((6, 9, 3), np.uint8)]
    with pytest.raises(ValueError, match='frame 1 has shape'):
        write_video(tmp_path / 'v.mp4', frames)
    assert not (tmp_path / 'v.mp4').exists()


def test_write_refuses(tmp_path):
    frame = np.zeros((6, 8, 3), np.uint8)
    with pytest.raises(ValueError, match='at least one frame'):
        write_video(tmp_path / 'v.mp4', [])
    with pytest.raises(ValueError, match='ends in .mp4'):
        write_video(tmp_path / 'v.avi', [frame])
    with pytest.raises(ValueError, match='fps above 0'):
        write_video(tmp_path / 'v.mp4', [frame], fps=0)
    with pytest.raises(ValueError, match='uint8'):
        write_video(tmp_path / 'v.mp4', [frame.astype(float)])
