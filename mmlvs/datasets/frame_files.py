"""Frames as files: an image, or one frame of a video file, addressed by one string either way."""

import os
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from mmlvs.io import open_image, video

_VIDEO_FRAME = re.compile(r'(?P<file>.+)#frame=(?P<index>\d+)')


def video_frame_path(file: str | os.PathLike, index: int) -> str:
    """Address of frame ``index`` (from 0) of a video file, for ``frame_paths``: ``clip.mp4#frame=12``."""
    return f'{file}#frame={index}'


def split_frame_path(path: str | os.PathLike) -> tuple[Path, int | None]:
    """File and index of a frame's address; the index is None for an image file."""
    match = _VIDEO_FRAME.fullmatch(str(path))
    return (Path(match['file']), int(match['index'])) if match else (Path(path), None)


def decode_frames(paths: Sequence[str | os.PathLike]) -> dict[str, np.ndarray]:
    """Decode frames, each file once: images with Pillow, a video file in one pass up to its last wanted frame.

    Args:
        paths: addresses of frames, may repeat.

    Returns:
        Address -> (H, W, 3) uint8 RGB.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file cannot be decoded, or a video has fewer frames than asked for.
    """
    decoded: dict[str, np.ndarray] = {}
    wanted: dict[Path, set[int]] = {}
    for path in dict.fromkeys(str(p) for p in paths):
        file, index = split_frame_path(path)
        if index is None:
            with open_image(file) as image:
                decoded[path] = np.asarray(image if image.mode == 'RGB' else image.convert('RGB'))
        else:
            wanted.setdefault(file, set()).add(index)
    for file, indices in wanted.items():
        frames = _decode_video(file, indices)
        decoded.update({video_frame_path(file, index): frame for index, frame in frames.items()})
    return decoded


def _need_video(file: Path) -> None:
    if not file.is_file():
        raise FileNotFoundError(f'{file}: video is missing; check the folder and its layout, or unpack the data again')


def _decode_video(file: Path, indices: set[int]) -> dict[int, np.ndarray]:
    _need_video(file)
    frames, count, last = {}, 0, max(indices)
    capture = cv2.VideoCapture(str(file))
    try:
        while count <= last and capture.grab():  # frames between the wanted ones are not brought to colours
            if count in indices:
                found, frame = capture.retrieve()
                if not found:
                    break
                frames[count] = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
            count += 1
    finally:
        capture.release()
    if len(frames) < len(indices):
        raise ValueError(f'{file}: frame {last} (from 0) is asked for, but only {count} frames can be decoded; '
                         'fetch the video again')
    return frames


@lru_cache(maxsize=16384)
def count_frames(file: Path) -> int:
    """Number of frames of a video file that can be decoded: counted, as neither headers nor lists are reliable.

    Raises:
        FileNotFoundError: there is no file.
        ValueError: it cannot be opened or holds no frame.
    """
    _need_video(file)
    count = video.count_frames(file)
    if count == 0:
        raise ValueError(f'{file}: no frame can be decoded; the file is damaged or in a codec that OpenCV lacks')
    return count
