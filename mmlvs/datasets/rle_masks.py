"""Masks as COCO run-length codes in one JSON file (MeViS, ReVOS)."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from mmlvs.datasets.mask_sources import FrameMasks, MaskSource
from mmlvs.io import decode_rle

Size = tuple[int, int]
RLE = dict[str, Any]


class RLEMasks(MaskSource):
    """``mask_dict.json``: object -> one run-length code per frame, at the frame's position; null = absent.

    Keys are texts, also where the annotation file has numbers. A list may be shorter than the video: frames beyond it
    do not show the object. The file is read once and kept as a few arrays, which worker processes share.

    Args:
        file: the JSON file.
        video_size: video id -> (H, W); asked where no run-length code tells the size, e.g. for no object at all.

    Raises:
        FileNotFoundError: there is no file.
        ValueError: it is no JSON of this form.
    """

    def __init__(self, *, file: Path, video_size: Callable[[str], Size] | None = None) -> None:
        self.file, self.video_size = Path(file), video_size
        self.codes = load_codes(self.file, _stamp(self.file))

    def __contains__(self, object_id: str) -> bool:
        return object_id in self.codes

    def length_of(self, object_id: str) -> int:
        """Number of frames that the list of an object covers."""
        return self.codes.length_of(object_id)

    def size_of(self, object_ids: Sequence[str]) -> Size | None:
        """(H, W) of the first run-length code of the objects; None if they have none."""
        return next((size for o in object_ids if o in self.codes and (size := self.codes.size_of(o))), None)

    def instance(self, object_id: str, frame_index: int, size: Sequence[int]) -> np.ndarray:
        """Mask (H, W) uint8 0/1 of an object in a frame, empty of ``size`` where it is absent.

        Raises:
            KeyError: the file has no such object.
            ValueError: the code has another size, or is damaged.
        """
        if object_id not in self.codes:
            raise KeyError(f'{self.file}: has no masks of object {object_id!r}, which the annotation file names')
        code = self.codes.get(object_id, frame_index)
        if code is None:
            return np.zeros(tuple(size), dtype=np.uint8)
        if tuple(code['size']) != tuple(size):
            raise ValueError(f'{self.file}: object {object_id!r}, frame {frame_index}: run-length code of size '
                             f'{tuple(code["size"])} (height, width), expected {tuple(size)}')
        try:
            return decode_rle(code).astype(np.uint8)
        except ValueError as error:
            raise ValueError(f'{self.file}: object {object_id!r}, frame {frame_index}: {error}') from error

    def read(self, video_id: str, frame_id: str, frame_index: int, object_ids: Sequence[str]) -> FrameMasks:
        """See :class:`MaskSource`."""
        size = self.size_of(object_ids)
        if size is None:
            if self.video_size is None:
                raise ValueError(f'{self.file}: objects {list(object_ids)} of video {video_id!r} have no mask in any '
                                 'frame, so their size is unknown; give video_size')
            size = self.video_size(video_id)
        objects = np.zeros((len(object_ids), *size), dtype=np.uint8)  # O H W
        for n, object_id in enumerate(object_ids):
            objects[n] = self.instance(object_id, frame_index, size)
        return FrameMasks(objects, np.zeros(size, dtype=bool), str(self.file))


class RunLengthCodes:
    """Lists of run-length codes, packed: all texts in one, with arrays of where each begins and its size.

    Args:
        lists: key -> run-length code or None per frame.
        name: of the file, for messages.

    Raises:
        ValueError: an entry is no run-length code.
    """

    def __init__(self, lists: Mapping[str, Sequence[RLE | None]], name: str) -> None:
        self.starts: dict[str, tuple[int, int]] = {}
        texts, ends, sizes, end = [], [0], [], 0
        for key, codes in lists.items():
            self.starts[str(key)] = (len(sizes), len(codes))
            for t, code in enumerate(codes):
                text, size = b'', (-1, -1)
                if code is not None:
                    text, size = _pack(code, f'{name}: entry {key!r}, frame {t}')
                texts.append(text)
                end += len(text)
                ends.append(end)
                sizes.append(size)
        self.text = b''.join(texts)
        self.ends = np.array(ends, dtype=np.int64)
        self.sizes = np.array(sizes, dtype=np.int32).reshape(-1, 2)

    def __contains__(self, key: str) -> bool:
        return key in self.starts

    def __iter__(self):
        return iter(self.starts)

    def length_of(self, key: str) -> int:
        """Length of the list of a key."""
        return self.starts[key][1]

    def size_of(self, key: str) -> Size | None:
        """(H, W) of the first code of a key."""
        first, count = self.starts[key]
        there = np.flatnonzero(self.sizes[first:first + count, 0] >= 0)
        return tuple(int(side) for side in self.sizes[first + there[0]]) if len(there) else None

    def get(self, key: str, position: int) -> RLE | None:
        """Code at a position; None where it is null or beyond the list."""
        first, count = self.starts[key]
        if not 0 <= position < count or self.sizes[first + position, 0] < 0:
            return None
        entry = first + position
        return dict(size=[int(side) for side in self.sizes[entry]],
                    counts=self.text[self.ends[entry]:self.ends[entry + 1]])


def _pack(code: Any, where: str) -> tuple[bytes, Size]:
    if not isinstance(code, dict) or not {'size', 'counts'} <= set(code):
        raise ValueError(f'{where}: expected null or a run-length code with "size" and "counts", found {code!r:.80}')
    if isinstance(code['counts'], list):  # not compressed
        from pycocotools import mask as coco
        code = coco.frPyObjects(dict(code), *(int(side) for side in code['size']))
    counts = code['counts']
    height, width = code['size']
    return counts.encode('ascii') if isinstance(counts, str) else bytes(counts), (int(height), int(width))


def _stamp(file: Path) -> tuple[int, int]:
    if not file.is_file():
        raise FileNotFoundError(f'{file}: masks are missing; check data_root and split, or unpack the data again')
    status = file.stat()
    return status.st_mtime_ns, status.st_size


def read_mask_dict(file: Path) -> dict[str, Any]:
    """A JSON object of masks.

    Raises:
        FileNotFoundError: there is no file.
        ValueError: it is no JSON object.
    """
    _stamp(file)
    try:
        content = json.loads(file.read_text(encoding='utf-8'))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f'{file}: is no valid JSON ({error}); fetch it again') from error
    if not isinstance(content, dict):
        raise ValueError(f'{file}: expected an object of masks by id, found {type(content).__name__}')
    return content


@lru_cache(maxsize=4)
def load_codes(file: Path, stamp: tuple[int, int]) -> RunLengthCodes:
    """The codes of a file; kept as long as its ``stamp`` (time and size) stays."""
    lists = read_mask_dict(file)
    for key, codes in lists.items():
        if not isinstance(codes, list):
            raise ValueError(f'{file}: entry {key!r}: expected a list with one code per frame, found '
                             f'{type(codes).__name__}')
    return RunLengthCodes(lists, str(file))
