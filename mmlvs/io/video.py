"""Videos as RGB frames: read a folder of images or a video file, write an MP4 that is checked by reading it back."""

import os
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from mmlvs.io.atomic import atomic_path
from mmlvs.io.images import open_image

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp')
VIDEO_SUFFIXES = ('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v')


def natural_order(paths: Iterable[Path]) -> list[Path]:
    """Paths in the order of the numbers in their names."""
    return sorted(paths, key=_natural)


def list_frame_files(folder: str | os.PathLike) -> list[Path]:
    """The images of a folder in the order of the numbers in their names (``frame2`` before ``frame10``).

    Raises:
        FileNotFoundError: no such folder, or no image in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f'no folder of frames at {folder}')
    files = [path for path in folder.iterdir()
             if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith('.')]
    if not files:
        raise FileNotFoundError(f'{folder} holds no image ({", ".join(IMAGE_SUFFIXES)})')
    return natural_order(files)


def iter_frames(source: str | os.PathLike) -> Iterator[np.ndarray]:
    """Read a video frame by frame, in constant memory.

    Args:
        source: a folder of images, one image, or a video file that OpenCV can decode.

    Yields:
        (H, W, 3) uint8 RGB frames.

    Raises:
        FileNotFoundError: no such file or folder.
        ValueError: an image or the video cannot be decoded.
    """
    source = Path(source)
    if not source.exists():
        raise FileNotFoundError(f'no video at {source}: expected a folder of images, an image or a video file')
    if source.is_dir() or source.suffix.lower() in IMAGE_SUFFIXES:
        for path in list_frame_files(source) if source.is_dir() else [source]:
            yield _read_image(path)
        return
    capture = cv2.VideoCapture(str(source))
    try:
        if not capture.isOpened():
            raise ValueError(f'{source}: OpenCV cannot open this video; convert it to H.264 MP4, or extract its frames '
                             'into a folder and pass the folder')
        count = 0
        while True:
            found, frame = capture.read()
            if not found:
                break
            count += 1
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        if count == 0:
            raise ValueError(f'{source}: no frame could be decoded; the file is empty, damaged or in an unknown codec')
    finally:
        capture.release()


def read_frames(source: str | os.PathLike, *, limit: int | None = None) -> np.ndarray:
    """Read a whole video, or its first ``limit`` frames.

    Returns:
        (T, H, W, 3) uint8 RGB.

    Raises:
        FileNotFoundError: no such file or folder.
        ValueError: a frame cannot be decoded, or frames differ in size.
    """
    frames = list(islice(iter_frames(source), limit))
    sizes = {frame.shape[:2] for frame in frames}
    if len(sizes) > 1:
        raise ValueError(f'{source}: frames of one video must have one size, found (H, W) in {sorted(sizes)}')
    return np.stack(frames)


def write_video(path: str | os.PathLike, frames: Iterable[np.ndarray], *, fps: float = 10.0) -> Path:
    """Write RGB frames as an MP4 (MPEG-4 part 2), then read it back and compare the number of frames.

    MPEG-4 wants even sides: an odd last row or column is doubled.

    Args:
        path: the ``.mp4`` to write, atomically.
        frames: (H, W, 3) uint8 RGB frames of one size; may be a generator.
        fps: frames a second.

    Raises:
        ValueError: no frame, a frame of another size or kind, or another suffix.
        RuntimeError: OpenCV has no encoder, or the file cannot be read back.
    """
    if Path(path).suffix.lower() != '.mp4':
        raise ValueError(f'{path}: expected a path that ends in .mp4')
    if not fps > 0:
        raise ValueError(f'expected fps above 0, found {fps}')
    with atomic_path(path) as temporary:
        written = _encode(temporary, frames, fps=fps)
        readable = count_frames(temporary)
        if readable != written:
            raise RuntimeError(f'{path}: wrote {written} frames but could read back {readable}; this OpenCV build has '
                               'no working MPEG-4 encoder: reinstall opencv-python-headless')
    return Path(path)


def _encode(path: Path, frames: Iterable[np.ndarray], *, fps: float) -> int:
    """Encode to ``path``; the number of frames."""
    writer, shape, count = None, None, 0
    try:
        for frame in frames:
            frame = np.asarray(frame)
            if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
                raise ValueError(f'frame {count}: expected (H, W, 3) uint8, found {frame.dtype} {frame.shape}')
            if shape is None:
                shape = frame.shape
            elif frame.shape != shape:
                raise ValueError(f'frame {count} has shape {frame.shape}, the first {shape}; a video has one size')
            even = np.pad(frame, ((0, shape[0] % 2), (0, shape[1] % 2), (0, 0)), mode='edge')
            if writer is None:
                writer = cv2.VideoWriter(
                    str(path), cv2.VideoWriter_fourcc(*'mp4v'), float(fps), (even.shape[1], even.shape[0]))
                if not writer.isOpened():
                    raise RuntimeError('OpenCV could not start its MPEG-4 encoder: reinstall opencv-python-headless, '
                                       'and check that the disk is not full')
            writer.write(cv2.cvtColor(even, cv2.COLOR_RGB2BGR))
            count += 1
    finally:
        if writer is not None:
            writer.release()
    if count == 0:
        raise ValueError('a video needs at least one frame, found none')
    return count


def count_frames(path: Path) -> int:
    """The number of frames that decode; 0 when the file cannot be opened."""
    capture = cv2.VideoCapture(str(path))
    count = 0
    try:
        while capture.isOpened() and capture.grab():
            count += 1
    finally:
        capture.release()
    return count


def _read_image(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB of one image file, decoded by Pillow, which refuses a truncated one."""
    with open_image(path) as image:
        return np.array(image.convert('RGB'))


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """Sort key: digits compare as numbers, the rest as text."""
    return [(0, int(part), '') if part.isdigit() else (1, 0, part) for part in re.split(r'(\d+)', path.name) if part]
