"""Frames of images and of video files behind one kind of address."""

import numpy as np
import pytest
from PIL import Image

from mmlvs.datasets.frame_files import count_frames, decode_frames, split_frame_path, video_frame_path
from mmlvs.datasets.transforms import LoadFrames
from mmlvs.io import read_frames, write_video


@pytest.fixture
def clip(tmp_path):
    file = tmp_path / 'a clip #1.mp4'
    write_video(file, [np.full((16, 24, 3), 20 * t, np.uint8) for t in range(7)])
    return file


def test_addresses(clip):
    assert split_frame_path(video_frame_path(clip, 12)) == (clip, 12)
    assert split_frame_path('a/b.jpg') == (type(clip)('a/b.jpg'), None)


def test_frames_of_a_video_are_those_of_reading_it_whole(clip, tmp_path):
    whole = read_frames(clip)
    Image.fromarray(whole[0]).save(tmp_path / 'i.png')
    paths = [video_frame_path(clip, 5), str(tmp_path / 'i.png'), video_frame_path(clip, 2), video_frame_path(clip, 5)]
    decoded = decode_frames(paths)
    assert len(decoded) == 3 and (decoded[paths[0]] == whole[5]).all() and (decoded[paths[2]] == whole[2]).all()
    results = LoadFrames()(dict(frame_paths=paths, video_id='v'))
    assert (results['frames']['img'] == whole[[5, 0, 2, 5]]).all() and results['ori_shape'] == (16, 24)


def test_count_and_errors(clip, tmp_path):
    assert count_frames(clip) == 7
    with pytest.raises(ValueError, match=r'frame 9 \(from 0\) is asked for, but only 7'):
        decode_frames([video_frame_path(clip, 9)])
    with pytest.raises(FileNotFoundError, match='video is missing'):
        count_frames(tmp_path / 'none.mp4')
    (tmp_path / 'bad.mp4').write_bytes(b'junk')
    with pytest.raises(ValueError, match='no frame can be decoded'):
        count_frames(tmp_path / 'bad.mp4')


def test_an_empty_stream(clip):
    load = LoadFrames(stream='global_img', paths='global_frame_paths')
    results = load(dict(frames={}, global_frame_paths=[], img_shape=(16, 24), ori_shape=(16, 24)))
    assert results['frames']['global_img'].shape == (0, 16, 24, 3)
