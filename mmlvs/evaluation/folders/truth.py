"""Where the truth of a scored folder comes from: another folder, or a data set."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from mmlvs.evaluation.folders.conventions import FolderConvention
from mmlvs.evaluation.functional.davis import VOID_LABEL
from mmlvs.io import grey_levels, open_image, read_index_png

SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp')
DATASET_NAMES = {'ref-youtube-vos': 'RefYouTubeVOSDataset', 'mevis': 'MeViSDataset', 'long-rvos': 'LongRVOSDataset',
                 'ref-davis': 'RefDAVISDataset', 'davis16': 'DAVIS16Dataset', 'davis17': 'DAVIS17Dataset',
                 'youtube-vos': 'YouTubeVOSDataset', 'zero-shot': 'ZeroShotDataset', 'folder': 'FolderDataset'}
"""Short names of data sets -> class."""


@dataclass(frozen=True)
class Unit:
    """What one folder of frames answers: a video, or an expression of a video.

    ``folder``: path of its files below the root of the results; ``group``: what results are also averaged by.
    """

    video: str
    track: str
    frames: tuple[str, ...]
    folder: str
    group: str = ''
    info: dict = field(default_factory=dict)


class Truth(ABC):
    """Lists what must be there and reads it.

    Args:
        convention: says how folders nest and what pixels mean.
    """

    def __init__(self, *, convention: FolderConvention) -> None:
        self.convention = convention

    @abstractmethod
    def videos(self) -> list[Unit]:
        """Every folder of frames, as they are nested without annotator sets."""

    @abstractmethod
    def size(self, unit: Unit, frame: str) -> tuple[int, int] | None:
        """(H, W) of a frame; None if it is not annotated."""

    @abstractmethod
    def read(self, unit: Unit, frame: str) -> np.ndarray | None:
        """Index map, or grey levels, (H, W) uint8; None if the frame is not annotated."""

    def units(self, prediction: Path) -> list[Unit]:
        """Every folder of results that is expected below ``prediction``.

        Raises:
            ValueError: no annotator set is there where one is expected.
        """
        units = self.videos()
        if self.convention.files != 'annotator':
            return units
        sets = sorted(path.name for path in prediction.glob('anno_*') if path.is_dir())
        if not sets:
            raise ValueError(f'{prediction}: expected folders anno_0, anno_1, ... of annotator sets')
        return [Unit(unit.video, unit.track, unit.frames, f'{name}/{unit.folder}', name) for name in sets
                for unit in units]


class FolderTruth(Truth):
    """Truth in files nested as the results are; ``<video>/GT/<frame>`` is understood, too.

    Args:
        root: the folder.
        convention: see :class:`Truth`.

    Raises:
        FileNotFoundError: it holds no folder of images.
    """

    def __init__(self, *, root: str | Path, convention: FolderConvention) -> None:
        super().__init__(convention=convention)
        self.root = Path(root)
        if not self._files:
            nested = '<video>/<expression>' if convention.files == 'expression' else '<video>'
            raise FileNotFoundError(f'{self.root}: expected images {nested}/<frame>.png, found none')

    @cached_property
    def _files(self) -> dict[str, dict[str, Path]]:
        """Folder (without ``GT``) -> frame -> file."""
        depth = 2 if self.convention.files == 'expression' else 1
        found: dict[str, dict[str, Path]] = {}
        for path in sorted(self.root.rglob('*')):
            parts = path.relative_to(self.root).parts[:-1]
            if path.suffix.lower() not in SUFFIXES or any(part.startswith('.') for part in parts):
                continue
            if len(parts) == depth + 1 and parts[-1] == 'GT':
                parts = parts[:-1]
            if len(parts) == depth:
                found.setdefault('/'.join(parts), {})[path.stem] = path
        return found

    def videos(self) -> list[Unit]:
        """See :class:`Truth`."""
        return [Unit(folder.split('/')[0], folder.partition('/')[2], tuple(files), folder)
                for folder, files in self._files.items()]

    def _file(self, unit: Unit, frame: str) -> Path:
        folder = unit.folder.removeprefix(f'{unit.group}/') if unit.group else unit.folder
        return self._files[folder][frame]

    def size(self, unit: Unit, frame: str) -> tuple[int, int]:
        """See :class:`Truth`."""
        return image_header(self._file(unit, frame))[0]

    def read(self, unit: Unit, frame: str) -> np.ndarray:
        """See :class:`Truth`."""
        path = self._file(unit, frame)
        if self.convention.pixels == 'levels':
            with open_image(path, 'truth') as image:
                return grey_levels(image, path)
        return read_index_png(path) if self.convention.pixels == 'index' else read_grey(path)


class DatasetTruth(Truth):
    """Truth of a data set, read from its own files.

    Args:
        name: one of ``DATASET_NAMES``, or a registered class.
        data_root, split: of the data set.
        convention: see :class:`Truth`.

    Raises:
        ValueError: the data set cannot be scored this way.
    """

    def __init__(self, *, name: str, data_root: str | Path, split: str | None, convention: FolderConvention) -> None:
        super().__init__(convention=convention)
        self.settings = dict(type=DATASET_NAMES.get(name, name), data_root=str(data_root), test_mode=True)
        if split is not None:
            self.settings['split'] = split
        if not self.dataset.with_masks:
            raise ValueError(f'{name}, split {split!r} under {data_root} has no masks to score against')

    @cached_property
    def dataset(self):
        """The data set, built when it is first needed (in each process)."""
        from mmlvs.registry import DATASETS

        return DATASETS.build(dict(self.settings))

    @cached_property
    def _source(self):
        return self.dataset.mask_source()

    def __getstate__(self) -> dict:
        return {key: value for key, value in vars(self).items() if key not in ('dataset', '_source')}

    def videos(self) -> list[Unit]:
        """See :class:`Truth`."""
        units = []
        for video in self.dataset.videos:
            frames, objects = tuple(self.dataset.frame_ids_of(video)), tuple(video.categories)
            objects = objects or tuple(dict.fromkeys(o for e in video.expressions for o in e.object_ids or ()))
            if self.convention.files == 'expression':
                units += [Unit(video.video_id, e.expression_id, frames, f'{video.video_id}/{e.expression_id}',
                               info={'objects': e.object_ids, 'type': str(e.info.get('type', '')), 'text': e.text})
                          for e in video.expressions]
            else:
                units.append(Unit(video.video_id, '', frames, video.video_id, info={'objects': objects}))
        return units

    def size(self, unit: Unit, frame: str) -> tuple[int, int]:
        """See :class:`Truth`; the size of the video's frames."""
        return tuple(self.dataset.frame_size(unit.video))

    def read(self, unit: Unit, frame: str) -> np.ndarray | None:
        """See :class:`Truth`.

        Raises:
            ValueError: objects have no numbers where index maps are wanted.
        """
        objects = list(unit.info.get('objects') or self._objects[unit.video])
        if not objects:
            return np.zeros(self.size(unit, frame), dtype=np.uint8)
        found = self._source.read(unit.video, frame, self._positions[unit.video][frame], objects)
        if found is None:
            return None
        if self.convention.pixels == 'levels':
            levels = found.objects.max(axis=0)
            return levels * np.uint8(255) if levels.max(initial=0) <= 1 else levels
        if self.convention.pixels == 'mask':
            return (found.objects > 0).any(axis=0).astype(np.uint8)
        if not all(name.isdecimal() for name in objects):
            raise ValueError(f'objects {objects} of video {unit.video!r} have no numbers, so that index maps cannot be '
                             'scored; choose a convention of masks')
        index = np.zeros(found.ignore.shape, dtype=np.uint8)
        for name, mask in zip(objects, found.objects, strict=True):
            index[mask > 0] = int(name)
        index[found.ignore] = VOID_LABEL
        return index

    @cached_property
    def _positions(self) -> dict[str, dict[str, int]]:
        return {video.video_id: {frame: k for k, frame in enumerate(self.dataset.frame_ids_of(video))}
                for video in self.dataset.videos}

    @cached_property
    def _objects(self) -> dict[str, tuple[str, ...]]:
        if self.convention.files == 'expression':
            return {video.video_id: () for video in self.dataset.videos}  # an expression without target
        return {unit.video: unit.info['objects'] for unit in self.videos()}


def image_header(path: Path) -> tuple[tuple[int, int], str]:
    """(H, W) of an image and its Pillow mode, without decoding it.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        with Image.open(path) as image:
            return (image.size[1], image.size[0]), image.mode
    except OSError as error:
        raise ValueError(f'{path}: no readable image ({error})') from error


def read_grey(path: Path) -> np.ndarray:
    """Grey levels (H, W) uint8; a palette image gives its indices, colours become grey."""
    with Image.open(path) as image:
        return np.array(image if image.mode in ('L', 'P') else image.convert('L'), dtype=np.uint8)
