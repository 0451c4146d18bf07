"""What a server, or the DAVIS toolkit, would refuse about a submission: names, counts, sizes, palette, nesting."""

import io
import json
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mmlvs.io.masks import pascal_palette


@dataclass(frozen=True)
class Target:
    """Form of a submission.

    Args:
        dataset: registered class that lists videos, expressions and frames.
        top: folder that holds everything, '' = videos at the root.
        index: palette PNGs of object numbers, one folder per annotator set and video; otherwise grey PNGs of 0 and 255,
            one folder per video and expression.
        split: the usual one.
        archive: the server takes a zip.
    """

    dataset: str
    top: str = ''
    index: bool = False
    split: str = 'valid'
    archive: bool = True


TARGETS = {'ref-youtube-vos': Target('RefYouTubeVOSDataset', top='Annotations'), 'mevis': Target('MeViSDataset'),
           'ref-davis': Target('RefDAVISDataset', index=True, archive=False),
           'long-rvos': Target('LongRVOSDataset', archive=False)}
NUM_SETS = 4
Sizes = Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class Wanted:
    """Expected folders -> names of frames, and the videos' sizes (H, W) where they are known; ``objects``: video ->
    number of objects (index maps)."""

    folders: dict[str, tuple[str, ...]]
    sizes: Sizes
    video_of: dict[str, str]
    objects: dict[str, int]


def wanted_of_dataset(target: Target, data_root: str | Path, split: str | None = None) -> Wanted:
    """What a data set on disk asks for; sizes are those of the first frames, where frames are there."""
    from mmlvs.registry import DATASETS

    dataset = DATASETS.build(dict(type=target.dataset, data_root=str(data_root), split=split or target.split,
                                  test_mode=True, with_masks=False))
    videos, sizes = {}, {}
    for video in dataset.videos:
        ids = [expression.expression_id for expression in video.expressions]
        videos[video.video_id] = ids, tuple(dataset.frame_ids_of(video))
        try:
            sizes[video.video_id] = tuple(dataset.frame_size(video.video_id))
        except FileNotFoundError:
            continue  # annotations alone are enough for everything but sizes
    return _wanted(target, videos, sizes)


def wanted_of_meta(target: Target, meta: str | Path, exclude: str | Path | None = None) -> Wanted:
    """What a ``meta_expressions.json`` asks for, without the videos of the file ``exclude``.

    Raises:
        ValueError: a file has another form.
    """
    def read(path: str | Path) -> dict[str, Any]:
        try:
            return json.loads(Path(path).read_text(encoding='utf-8'))['videos']
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f'{path}: expected JSON with "videos" ({error})') from error

    left_out = set(read(exclude)) if exclude else set()
    videos = {name: (list(entry['expressions']), tuple(entry['frames'])) for name, entry in read(meta).items()
              if name not in left_out}
    return _wanted(target, videos, {})


def _wanted(target: Target, videos: Mapping[str, tuple[list[str], tuple[str, ...]]], sizes: Sizes) -> Wanted:
    folders, video_of = {}, {}
    for video, (expressions, frames) in videos.items():
        if target.index:
            names = [f'anno_{k}/{video}' for k in range(NUM_SETS)]
            frames = tuple(f'{k:05d}' for k in range(len(frames)))  # the DAVIS toolkit counts frames
        else:
            names = ['/'.join(filter(None, (target.top, video, expression))) for expression in expressions]
        for name in names:
            folders[name], video_of[name] = frames, video
    return Wanted(folders, sizes, video_of, {video: len(ids) // NUM_SETS for video, (ids, _) in videos.items()})


class Files:
    """The files of a folder or a zip.

    Args:
        path: the folder or archive.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is a file, but no zip.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise FileNotFoundError(f'{self.path}: no such folder or archive')
        self.archive = None if self.path.is_dir() else self._open()

    def _open(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.path)
        except zipfile.BadZipFile as error:
            raise ValueError(f'{self.path}: is neither a folder nor a zip ({error})') from error

    def names(self) -> list[str]:
        """Paths of all files with ``/``."""
        if self.archive is not None:
            return [info.filename for info in self.archive.infolist() if not info.is_dir()]
        return sorted(path.relative_to(self.path).as_posix() for path in self.path.rglob('*') if path.is_file())

    def image(self, name: str) -> Image.Image:
        """One image, not decoded yet."""
        if self.archive is not None:
            return Image.open(io.BytesIO(self.archive.read(name)))
        return Image.open(self.path / name)


def check_submission(path: str | Path, target: Target, wanted: Wanted, *, pixels: bool = True,
                     progress: Callable[[int, int], None] = lambda done, total: None) -> list[str]:
    """Everything that is wrong with a submission.

    Args:
        path: folder or zip.
        target: its form.
        wanted: what must be in it.
        pixels: also decode every file and look at its values; otherwise headers only.
        progress: called with the number of folders done and in all.

    Returns:
        One line a problem, frames of a folder together; empty when all is well.
    """
    files, found, problems = Files(path), defaultdict(list), []
    for name in files.names():
        folder, _, file = name.rpartition('/')
        stem, dot, suffix = file.rpartition('.')
        if f'{dot}{suffix}' == '.png' and not name.startswith('__MACOSX'):
            found[folder].append(stem)
        elif not (target.archive and files.archive is None and suffix == 'zip'):
            problems.append(f'{name}: does not belong in the submission, which is made of .png files')
    hint = _nesting(set(found), set(wanted.folders), target)
    if hint:
        return [*problems, hint]
    for k, (folder, frames) in enumerate(wanted.folders.items()):
        there = found.pop(folder, [])
        if not there:
            problems.append(f'{folder}: missing, {len(frames)} frames')
            continue
        names, repeated = set(there), sorted({name for name in there if there.count(name) > 1})
        for kind, some in (('missing', set(frames) - names), ('unexpected', names - set(frames))):
            if some:
                problems.append(f'{folder}: {len(some)} {kind} frames: {", ".join(sorted(some))}')
        if repeated:
            problems.append(f'{folder}: {len(repeated)} frames occur twice in the archive: {", ".join(repeated)}')
        problems += _images(files, folder, sorted(names & set(frames)), target, wanted, pixels)
        progress(k + 1, len(wanted.folders))
    problems += [f'{folder or "."}: unexpected folder with {len(names)} frames' for folder, names in sorted(
        found.items())]
    return problems


def _nesting(found: set[str], wanted: set[str], target: Target) -> str:
    """What to say when not one folder is where it should be."""
    if found & wanted:
        return ''
    shown = sorted(wanted)[0]
    if not found:
        return f'holds no .png file; expected {shown}/<frame>.png'
    return (f'nesting: expected {shown}/<frame>.png' + (f' with the top folder {target.top}/' if target.top else
            ' with nothing above it') + f', found {sorted(found)[0]}/<frame>.png')


def _images(files: Files, folder: str, frames: Sequence[str], target: Target, wanted: Wanted, pixels: bool
            ) -> Iterable[str]:
    """Problems of the images of one folder, frames with the same problem together."""
    wrong: dict[str, list[str]] = defaultdict(list)
    video = wanted.video_of[folder]
    size = wanted.sizes.get(video)
    for frame in frames:
        try:
            with files.image(f'{folder}/{frame}.png') as image:
                own = image.size[1], image.size[0]
                size = size or own  # unknown: at least all of one size
                if own != tuple(size):
                    wrong[f'size {own[0]} x {own[1]} (H x W), expected {size[0]} x {size[1]}'].append(frame)
                for reason in _pixels(image, target, wanted.objects.get(video, 0), pixels):
                    wrong[reason].append(frame)
        except OSError as error:
            wrong[f'no readable image ({error})'].append(frame)
    return [f'{folder}: {reason}: {", ".join(names)}' for reason, names in wrong.items()]


def _pixels(image: Image.Image, target: Target, objects: int, decode: bool) -> Iterable[str]:
    mode = 'P' if target.index else 'L'
    if image.mode != mode:
        kind = 'index with palette' if target.index else 'grey, 0 and 255'
        yield f'mode {image.mode}, expected {mode} ({kind})'
        return
    values = np.unique(np.asarray(image)) if decode else np.zeros(0, dtype=int)
    if target.index:
        used = int(values.max(initial=objects)) + 1
        palette = np.asarray(image.getpalette()[:3 * used])
        if not np.array_equal(palette, pascal_palette(used).reshape(-1)[:len(palette)]):
            yield 'palette is not that of PASCAL VOC'
        if decode and values.max(initial=0) > objects:
            yield f'index {values.max()}, but the video has {objects} objects'
    elif decode and not np.isin(values, (0, 255)).all():
        yield f'values {[int(v) for v in values if v not in (0, 255)][:5]}, expected 0 and 255 only'
