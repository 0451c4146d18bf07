"""Own data without code: one JSON, and folders of frames, video files, or single images."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mmlvs.datasets.base import Expression, VideoExpressionDataset, VideoRecord
from mmlvs.datasets.flow import files_by_name
from mmlvs.datasets.frame_files import count_frames, split_frame_path, video_frame_path
from mmlvs.datasets.mask_sources import FrameMasks, MaskSource
from mmlvs.datasets.png_masks import read_grey
from mmlvs.datasets.problems import accept_each
from mmlvs.io import list_frame_files
from mmlvs.io.video import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from mmlvs.registry import DATASETS

WHOLE = 'mask'
"""Object id of an expression that names no object: everything that the mask shows."""
_LISTS = ('videos', 'images')
_VIDEO_KEYS = ('frames', 'masks', 'expressions')
_EXPRESSION_KEYS = ('text', 'object')


class FolderMasks(MaskSource):
    """PNGs by the name of the frame; the pixel value is the object, any value above 0 belongs to :data:`WHOLE`.

    Args:
        files: video id -> frame name -> PNG. A frame without one is not annotated.
    """

    def __init__(self, *, files: Mapping[str, Mapping[str, Path]]) -> None:
        self.files = files

    def read(self, video_id: str, frame_id: str, frame_index: int, object_ids: Sequence[str]) -> FrameMasks | None:
        """See :class:`MaskSource`."""
        file = self.files[video_id].get(frame_id)
        if file is None:
            return None
        values = read_grey(file)
        objects = np.zeros((len(object_ids), *values.shape), dtype=np.uint8)  # O H W
        for n, object_id in enumerate(object_ids):
            objects[n] = values > 0 if object_id == WHOLE else values == int(object_id)
        return FrameMasks(objects, np.zeros(values.shape, dtype=bool), str(file))


@DATASETS.register_module()
class FolderDataset(VideoExpressionDataset):
    """Own videos with sentences, described by ``<data_root>/<split>.json`` (docs/en/own_data.md)::

        {"videos": {"cat": {"frames": "cat.mp4", "masks": "masks/cat",
                            "expressions": ["the cat on the left", {"text": "the dog", "object": 2}]}}}

    Rules:

    * ``frames``: a folder of images, a video file or a single image below the root; left out: ``<video>``, or that with
      the ending of a video or an image. Images come in the order of the numbers in their names ("f2" before "f10");
      frames of a video file are named 00000, 00001, ...; a single image bears its name without the ending.
    * ``masks``: a folder of PNGs with the names of the frames, values = objects; left out: ``masks/<video>`` if it is
      there. A frame without PNG is not annotated: testing predicts but does not score it, training leaves it out. Of a
      single image it is the PNG itself; left out: ``masks/<image>.png``.
    * ``images`` may be written for ``videos``, for readers: it means the same.
    * An expression is a sentence, or a dict with ``text`` and ``object``: a number, or a list of them (union). Without
      ``object`` it means every pixel above 0, so that black-and-white masks (0, 255) do.
    * Keys that are not known are refused: a misspelt one would be ignored otherwise.

    Args: see :class:`VideoExpressionDataset`; ``split`` is the name of the JSON file.
    """

    name = 'folder'
    sort_training_frames = False

    def load_videos(self) -> list[VideoRecord]:
        """See :class:`VideoExpressionDataset`."""
        file = self.data_root / f'{self.split}.json'
        self._frames: dict[str, dict[str, str]] = {}
        self._masks: dict[str, dict[str, Path]] = {}
        return accept_each(partial(self._record, file), _read(file).items())

    def _record(self, file: Path, video_id: str, entry: Any) -> VideoRecord:
        where = f'{file}, video {video_id!r}'
        _check_keys(where, entry, _VIDEO_KEYS)
        self._frames[video_id] = self._frames_of(where, video_id, entry.get('frames'))
        folder, self._masks[video_id] = self._masks_of(where, video_id, entry.get('masks'))
        stray = sorted(set(self._masks[video_id]) - set(self._frames[video_id]))
        if stray:
            names = list(self._frames[video_id])
            raise ValueError(f'{where}: masks {stray} in {folder} bear no name of a frame; frames are named {names[0]} '
                             f'to {names[-1]}')
        expressions = entry.get('expressions')
        if not isinstance(expressions, list):
            raise ValueError(f'{where}: expected "expressions", a list of sentences')
        frames = [f for f in self._frames[video_id] if self.test_mode or f in self._masks[video_id]]
        if not frames:
            raise ValueError(f'{where}: has no masks in {folder}, so that nothing can be learnt from it; add some, or '
                             'move the video to a file for testing')
        return VideoRecord(video_id, tuple(frames), tuple(
            _expression(f'{where}, expression {n}', n, row) for n, row in enumerate(expressions)))

    def _masks_of(self, where: str, video_id: str, given: str | None) -> tuple[Path, dict[str, Path]]:
        """Where masks should lie, and those that are there by the name of their frame."""
        frames = self._frames[video_id]
        name, address = next(iter(frames.items()))
        image = self.data_root / (given or f'masks/{name}.png')
        if len(frames) == 1 and split_frame_path(address)[1] is None and image.is_file():
            return image, {name: image}
        folder = self.data_root / (given or f'masks/{video_id}')
        if given and not folder.is_dir():
            raise FileNotFoundError(f'{where}: masks {folder} are missing; correct "masks" or leave it out')
        return folder, files_by_name(folder, ('.png',)) if folder.is_dir() else {}

    def _frames_of(self, where: str, video_id: str, given: str | None) -> dict[str, str]:
        """Name of each frame -> its address."""
        places = [given] if given else [video_id, *(video_id + suffix for suffix in (*VIDEO_SUFFIXES, *IMAGE_SUFFIXES))]
        source = next((self.data_root / place for place in places if (self.data_root / place).exists()), None)
        if source is None:
            raise FileNotFoundError(f'{where}: there is no {self.data_root / places[0]}; put a folder of images, a '
                                    'video file or an image there, or name it under "frames"')
        if source.suffix.lower() in IMAGE_SUFFIXES:
            return {source.stem: str(source)}
        if source.is_file():
            return {f'{t:05d}': video_frame_path(source, t) for t in range(count_frames(source))}
        frames: dict[str, str] = {}
        for image in list_frame_files(source):
            if image.stem in frames:
                raise ValueError(f'{where}: {source} holds two images named {image.stem!r}; names must differ')
            frames[image.stem] = str(image)
        return frames

    def frame_path(self, video_id: str, frame_id: str) -> Path:
        """Address of a frame: an image, or a frame of a video file."""
        return Path(self._frames[video_id][frame_id])

    def mask_source(self) -> MaskSource | None:
        """PNGs by name, if any video has some."""
        return FolderMasks(files=self._masks) if any(self._masks.values()) else None


def _read(file: Path) -> dict[str, Any]:
    if not file.is_file():
        there = sorted(f.name for f in file.parent.glob('*.json')) if file.parent.is_dir() else []
        raise FileNotFoundError(f'{file}: expected the list of videos (see docs/en/own_data.md); split is the name of '
                                f'the file without .json, there are {there or "none"}')
    try:
        content = json.loads(file.read_text(encoding='utf-8'))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f'{file}: is no valid JSON ({error}); mind quotes and commas') from error
    _check_keys(str(file), content, _LISTS)
    lists = [content[name] for name in _LISTS if name in content]
    if not lists or not all(isinstance(entries, dict) for entries in lists):
        raise ValueError(f'{file}: expected {{"videos": {{"<name>": {{...}}}}}}, or the same with "images"')
    if twice := sorted(set(lists[0]) & set(lists[-1])) if len(lists) == 2 else []:
        raise ValueError(f'{file}: {twice} stand under "videos" and under "images"; names must differ')
    return {name: entry for entries in lists for name, entry in entries.items()}


def _check_keys(where: str, entry: Any, known: Sequence[str]) -> None:
    if not isinstance(entry, dict):
        raise ValueError(f'{where}: expected an object with the keys {list(known)}, found {entry!r:.80}')
    unknown = sorted(set(entry) - set(known))
    if unknown:
        raise ValueError(f'{where}: unknown keys {unknown}; expected some of {list(known)}')


def _expression(where: str, number: int, row: Any) -> Expression:
    row = dict(text=row) if isinstance(row, str) else row
    _check_keys(where, row, _EXPRESSION_KEYS)
    if not isinstance(row.get('text'), str):
        raise ValueError(f'{where}: expected a sentence, or an object with "text"')
    objects = row.get('object', WHOLE)
    objects = tuple(str(o) for o in (objects if isinstance(objects, list) else [objects]))
    wrong = [o for o in objects if o != WHOLE and not (o.isdecimal() and 1 <= int(o) <= 255)]
    if wrong:
        raise ValueError(f'{where}: object {wrong} expected to be the value of its pixels in the masks, 1 to 255')
    return Expression(str(number), row['text'], objects)
