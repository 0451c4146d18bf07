"""DAVIS-16 and DAVIS-17: video objects without sentences."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from mmlvs.datasets.base import Expression, VideoExpressionDataset, VideoRecord
from mmlvs.datasets.flow import VideoFlowDataset
from mmlvs.datasets.mask_sources import IndexPNG, MaskSource
from mmlvs.datasets.png_masks import FOREGROUND, ForegroundPNG
from mmlvs.datasets.problems import accept_each
from mmlvs.io import read_index_png
from mmlvs.registry import DATASETS


@dataclass(frozen=True)
class FramePair:
    """A line of a DAVIS-16 list: the two words as they stand there, and the files they mean."""

    image: str
    mask: str
    image_file: Path
    mask_file: Path

    @property
    def sequence(self) -> str:
        """Name of the sequence: the folder of the image."""
        return PurePosixPath(self.image).parent.name

    @property
    def frame(self) -> str:
        """Name of the frame without suffix."""
        return PurePosixPath(self.image).stem


def frame_pairs(data_root: Path, split: str, resolution: str = '480p') -> list[FramePair]:
    """Pairs of image and mask of ``ImageSets/<resolution>/<split>.txt``, in file order; blank lines do not count.

    Words begin with a slash that does not mean the root of the file system.

    Raises:
        FileNotFoundError: there is no list.
        ValueError: a line has not two words.
    """
    pairs = []
    for number, line in enumerate(_lines(Path(data_root) / 'ImageSets' / resolution / f'{split}.txt'), start=1):
        words = line.split()
        if len(words) < 2:
            raise ValueError(f'{data_root}/ImageSets/{resolution}/{split}.txt, line {number}: expected the paths of an '
                             f'image and its mask, found {line!r}')
        pairs.append(FramePair(words[0], words[1], *(Path(data_root) / word.lstrip('/') for word in words[:2])))
    return pairs


def _lines(file: Path) -> list[str]:
    if not file.is_file():
        raise FileNotFoundError(f'{file}: expected the list of the split; check data_root and split')
    return [line for line in file.read_text(encoding='utf-8-sig').splitlines() if line.strip()]


@DATASETS.register_module()
class DAVIS16Dataset(VideoFlowDataset):
    """DAVIS-16: one foreground per video, no sentence (zero-shot segmentation); one track ``'1'`` a video.

    Rules for what is irregular in these files:

    * Lists name files, with a leading slash; the frames of a sequence are those of its lines, in file order.
    * Masks are grey or palette images; any value above 0 is foreground, several moving objects are one.
    * Where the lists of 2016 are missing but ``ImageSets/2016/<split>.txt`` names sequences (DAVIS-2017 download), all
      frames of the named sequences are taken.

    Args:
        flow: folder of flow images ``<flow>/<sequence>/<frame>.png`` below the root, None = no flow.
        The others are those of :class:`VideoExpressionDataset`; splits ``train``, ``val``, ``trainval``.
    """

    name = 'DAVIS-16'
    keep_empty = True

    def __init__(self, *, data_root: str | Path, split: str = 'train', pipeline: Sequence[dict | Callable] = (),
                 clip_length: int | None = None, stride: int | None = None, test_mode: bool = False,
                 with_masks: bool | str = 'auto', seed: int = 0, limit: int | None = None,
                 flow: str | None = None) -> None:
        self.flow = flow
        super().__init__(data_root=data_root, split=split, pipeline=pipeline, clip_length=clip_length, stride=stride,
                         test_mode=test_mode, with_masks=with_masks, seed=seed, limit=limit)
        self.require_flow()

    def flow_folder(self, video_id: str) -> Path | None:
        """Folder of the flow images of a sequence."""
        return None if self.flow is None else self.data_root / self.flow / video_id

    def load_videos(self) -> list[VideoRecord]:
        """See :class:`VideoExpressionDataset`."""
        self._files: dict[tuple[str, str], tuple[Path, Path]] = {}
        frames: dict[str, list[str]] = {}
        for pair in self._pairs():
            frames.setdefault(pair.sequence, []).append(pair.frame)
            self._files[pair.sequence, pair.frame] = pair.image_file, pair.mask_file
        return [VideoRecord(sequence, tuple(names), (Expression('0', None, (FOREGROUND,)),))
                for sequence, names in frames.items()]

    def _pairs(self) -> list[FramePair]:
        names = self.data_root / 'ImageSets' / '2016' / f'{self.split}.txt'
        if (self.data_root / 'ImageSets' / '480p' / f'{self.split}.txt').is_file() or not names.is_file():
            return frame_pairs(self.data_root, self.split)
        pairs = []
        for sequence in (line.strip() for line in _lines(names)):
            for frame in frame_names(self.data_root / 'JPEGImages' / '480p' / sequence):
                words = [f'JPEGImages/480p/{sequence}/{frame}.jpg', f'Annotations/480p/{sequence}/{frame}.png']
                pairs.append(FramePair(*words, *(self.data_root / word for word in words)))
        return pairs

    def frame_path(self, video_id: str, frame_id: str) -> Path:
        """JPEG of a frame."""
        return self._files[video_id, frame_id][0]

    def mask_source(self) -> MaskSource | None:
        """Grey masks, if there are any on disk."""
        if not (self.data_root / 'Annotations').is_dir():
            return None
        return ForegroundPNG(file_of=lambda video_id, frame_id: self._files[video_id, frame_id][1])


def frame_names(folder: Path) -> list[str]:
    """Names of the JPEGs of a folder, sorted.

    Raises:
        FileNotFoundError: there is no such folder, or no JPEG in it.
    """
    names = sorted(file.stem for file in folder.glob('*.jpg')) if folder.is_dir() else []
    if not names:
        raise FileNotFoundError(f'{folder}: expected a folder of JPEG frames; check data_root, or unpack it again')
    return names


@DATASETS.register_module()
class DAVIS17Dataset(VideoExpressionDataset):
    """DAVIS-17: the objects of a sequence, without sentences: one track for each object, or one for all together.

    Rules for what is irregular in these files:

    * Objects are the values 1..254 of the **first** annotated frame; later, higher ids are ignored, as the toolkit
      does. 255 is void.
    * ``Annotations`` (semi-supervised) and ``Annotations_unsupervised`` differ; ``annotations`` chooses.
    * ``test-dev`` and the like have masks of the first frame only, or none: a frame without file is not annotated.

    Args:
        annotations: folder of the masks.
        merge: one foreground ``'1'`` of all objects, as zero-shot methods have it, instead of a track per object.
        The others are those of :class:`VideoExpressionDataset`; splits are names of ``ImageSets/2017``.
    """

    name = 'DAVIS-17'

    def __init__(self, *, data_root: str | Path, split: str = 'train', pipeline: Sequence[dict | Callable] = (),
                 unit: str | None = None, clip_length: int | None = None, stride: int | None = None,
                 test_mode: bool = False, with_masks: bool | str = 'auto', seed: int = 0, limit: int | None = None,
                 annotations: str = 'Annotations_unsupervised', merge: bool = False) -> None:
        self.annotations, self.merge = annotations, merge
        super().__init__(data_root=data_root, split=split, pipeline=pipeline, unit=unit, clip_length=clip_length,
                         stride=stride, test_mode=test_mode, with_masks=with_masks, seed=seed, limit=limit)

    def load_videos(self) -> list[VideoRecord]:
        """See :class:`VideoExpressionDataset`."""
        sequences = [line.strip() for line in _lines(self.data_root / 'ImageSets' / '2017' / f'{self.split}.txt')]
        return accept_each(self._record, ((sequence,) for sequence in sequences))

    def _record(self, sequence: str) -> VideoRecord:
        frames = frame_names(self.data_root / 'JPEGImages' / '480p' / sequence)
        first = next((file for f in frames if (file := self._mask_file(sequence, f)) is not None), None)
        objects: Sequence[Any] = [FOREGROUND]
        if first is not None and not self.merge:
            objects = sorted({int(value) for value in set(read_index_png(first).ravel())} - {0, 255})
        tracks = tuple(Expression(str(n), None, (str(o),)) for n, o in enumerate(objects))
        return VideoRecord(sequence, tuple(frames), tracks)

    def _mask_file(self, sequence: str, frame: str) -> Path | None:
        file = self.data_root / self.annotations / '480p' / sequence / f'{frame}.png'
        return file if file.is_file() else None

    def frame_path(self, video_id: str, frame_id: str) -> Path:
        """JPEG of a frame."""
        return self.data_root / 'JPEGImages' / '480p' / video_id / f'{frame_id}.jpg'

    def mask_source(self) -> MaskSource | None:
        """Index PNGs, if there is the folder."""
        folder = self.data_root / self.annotations / '480p'
        if not folder.is_dir():
            return None
        if self.merge:
            return ForegroundPNG(file_of=self._mask_file, void=255)
        return IndexPNG(path=f'{folder}/{{video}}/{{frame}}.png', sparse=True)
