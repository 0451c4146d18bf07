"""Is a data set on disk complete and sound? Everything that is wrong, in one list."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from mmlvs.datasets.base import VideoExpressionDataset, VideoRecord
from mmlvs.datasets.frame_files import count_frames, decode_frames, split_frame_path
from mmlvs.datasets.mask_sources import MaskSource
from mmlvs.datasets.problems import REFUSED, collect_problems
from mmlvs.io import open_image

Size = tuple[int, int]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: its ``kind`` (``KINDS``), the split and video, and what to do."""

    kind: str
    split: str
    video: str
    message: str


KINDS = ('annotation', 'missing file', 'missing video', 'missing frame', 'missing mask', 'unreadable', 'size', 'id',
         'count', 'flow')


@dataclass
class SplitReport:
    """What was found in one split.

    Attributes:
        split: its name.
        counts: videos, expressions, frames, annotated_frames, objects, items.
        problems: what is wrong.
        notes: what may be intended: objects that are never visible, files that are not listed, parts of a set.
        videos: ids of the videos.
        items: the first items, as many as were asked for.
    """

    split: str
    counts: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    videos: list[str] = field(default_factory=list)
    items: list[dict[str, Any]] = field(default_factory=list)

    def add(self, kind: str, video: str, message: object) -> None:
        """Note a problem."""
        self.problems.append(Problem(kind, self.split, video, _text(message)))

    def as_dict(self) -> dict[str, Any]:
        """For a JSON file."""
        content = asdict(self)
        return {key: content[key] for key in ('split', 'counts', 'problems', 'notes', 'items')}


def _text(error: object) -> str:
    return str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)


def check_split(split: str, build: Callable[[], VideoExpressionDataset], *, files: Iterable[Path] = (),
                further: Callable[[VideoExpressionDataset, SplitReport], None] | None = None, quick: bool = False,
                workers: int = 2, limit: int | None = 0,
                progress: Callable[[str, int, int], None] | None = None) -> SplitReport:
    """Check one split.

    Args:
        split: its name in the report.
        build: makes the data set, in test mode; what it refuses becomes problems.
        files: JSON files of the split, searched for keys that occur twice (a reader sees the last one only).
        further: checks that only this set needs; adds to the report.
        quick: look at the headers of images only, and at no mask: finds missing files and sizes that differ.
        workers: threads.
        limit: number of items to list; None = all.
        progress: called with the split, the videos that are done, and all of them.
    """
    report = SplitReport(split)
    for file in files:
        if file.is_file():
            for place, key in duplicate_keys(file):
                report.add('id', '', f'{file}: key {key!r} occurs twice in {place}: readers keep the '
                                     'last entry only; rename or remove one')
    dataset = None
    with collect_problems() as refused:
        try:
            dataset = build()
        except REFUSED as error:
            refused.append(error)
    for error in refused:
        report.add(_kind_of(error), '', error)
    if dataset is None:
        return report
    videos = _listable(dataset, report)
    _count(dataset, videos, report)
    source = dataset.mask_source() if dataset.with_masks else None
    if source is None and any(e.object_ids is not None for video in dataset.videos for e in video.expressions):
        report.add('missing mask', '', f'{dataset.name}: expressions of this split name objects, but there are no '
                                       f'masks under {dataset.data_root}; unpack them')
    with ThreadPoolExecutor(workers) as pool:
        found = pool.map(lambda video: _VideoCheck(dataset, video, None if quick else source, quick).run(), videos)
        for done, one in enumerate(found, start=1):
            if progress is not None:
                progress(split, done, len(dataset.videos))
            for kind, message in one.problems:
                report.add(kind, one.video.video_id, message)
            report.notes += one.notes
            report.counts['annotated_frames'] += one.annotated
    if further is not None:
        further(dataset, report)
    report.items = list_items(dataset, limit)
    return report


def _kind_of(error: Exception) -> str:
    if 'flow image' in str(error):
        return 'flow'
    if not isinstance(error, FileNotFoundError):
        return 'annotation'
    return 'missing video' if ' frame' in str(error) else 'missing file'


def _listable(dataset: VideoExpressionDataset, report: SplitReport) -> list[VideoRecord]:
    """The videos whose frames can be listed: a video file that is missing or cannot be opened tells no frames."""
    videos = []
    for video in dataset.videos:
        try:
            dataset.frame_ids_of(video)
        except REFUSED as error:
            report.add('missing video' if isinstance(error, FileNotFoundError) else 'unreadable', video.video_id, error)
        else:
            videos.append(video)
    return videos


def _count(dataset: VideoExpressionDataset, videos: Sequence[VideoRecord], report: SplitReport) -> None:
    report.videos = [video.video_id for video in dataset.videos]
    expressions = [(v.video_id, e) for v in dataset.videos for e in v.expressions]
    report.counts = dict(
        videos=len(dataset.videos), expressions=sum(e.text is not None for _, e in expressions),
        frames=sum(len(dataset.frame_ids_of(v)) for v in videos), annotated_frames=0,
        objects=len({(v, o) for v, e in expressions for o in e.object_ids or ()}), items=len(dataset))
    seen: set[str] = set()
    listable = {id(video) for video in videos}
    for video in dataset.videos:
        if video.video_id in seen:
            report.add('id', video.video_id, f'video {video.video_id!r} is listed twice; remove one')
        seen.add(video.video_id)
        for what, ids in (('frame', dataset.frame_ids_of(video) if id(video) in listable else ()),
                          ('expression', [e.expression_id for e in video.expressions])):
            twice = sorted({i for i in ids if list(ids).count(i) > 1}) if len(set(ids)) < len(ids) else []
            if twice:
                report.add('id', video.video_id, f'video {video.video_id!r}: {what} ids {twice} occur twice')


def list_items(dataset: VideoExpressionDataset, limit: int | None) -> list[dict[str, Any]]:
    """The first ``limit`` items: video, frames of the clip or the one asked about, expressions with their objects."""
    items = []
    for index, plan in enumerate(dataset.items[:limit]):
        video = dataset.videos[plan.video]
        try:
            frames = list(dataset.frame_ids_of(video))
        except REFUSED:  # noted among the problems
            frames = []
        expressions = [video.expressions[e] for e in plan.expressions]
        items.append(dict(index=index, video=video.video_id, frames=frames[plan.start:plan.stop],
                          expressions=[dict(id=e.expression_id, text=e.text, objects=None if e.object_ids is None else
                                            list(e.object_ids)) for e in expressions]))
    return items


class _VideoCheck:
    """Frames and masks of one video."""

    def __init__(self, dataset: VideoExpressionDataset, video: VideoRecord, source: MaskSource | None,
                 quick: bool) -> None:
        self.dataset, self.video, self.source, self.quick = dataset, video, source, quick
        self.problems: list[tuple[str, str]] = []
        self.notes: list[str] = []
        self.annotated = 0

    def run(self) -> '_VideoCheck':
        """Check, and return itself."""
        frames = list(self.dataset.frame_ids_of(self.video))
        paths = [str(self.dataset.frame_path(self.video.video_id, frame)) for frame in frames]
        sizes = self._sizes(paths)
        if sizes:
            self._compare(sizes)
            self.dataset._sizes[self.video.video_id] = next(iter(sizes.values()))
            self._extra_files(paths)
        if self.source is not None and (sizes or not paths):
            self._masks(frames, [sizes.get(path) for path in paths])
        return self

    def _sizes(self, paths: Sequence[str]) -> dict[str, Size]:
        """Size of every frame that is there; others are noted."""
        files = {path: split_frame_path(path) for path in dict.fromkeys(paths)}
        missing = [path for path, (file, _) in files.items() if not file.is_file()]
        if len(missing) == len(files) > 1:
            places = sorted({str(files[path][0] if files[path][1] is not None else files[path][0].parent)
                             for path in missing})
            self._add('missing video', f'{", ".join(places)}: none of {len(missing)} frames is there; unpack the video')
            return {}
        for path in missing:
            self._add('missing frame', f'{path}: is listed but missing; unpack the video again, or correct the list')
        sizes = {}
        for path, (file, index) in files.items():
            if file.is_file() and index is None:
                size = self._image_size(file)
                if size is not None:
                    sizes[path] = size
        for file in dict.fromkeys(file for file, index in files.values() if index is not None and file.is_file()):
            sizes |= self._video_sizes(file, {p: i for p, (f, i) in files.items() if f == file and i is not None})
        return sizes

    def _image_size(self, file: Path) -> Size | None:
        try:
            if self.quick:
                with Image.open(file) as image:
                    return image.size[::-1]
            with open_image(file) as image:
                return image.size[::-1]
        except (ValueError, OSError, SyntaxError) as error:
            message = error if isinstance(error, ValueError) else f'{file}: frame cannot be decoded ({error})'
            self._add('unreadable', message)
            return None

    def _video_sizes(self, file: Path, wanted: dict[str, int]) -> dict[str, Size]:
        try:
            count = count_frames(file)
            first = min(wanted, key=lambda path: wanted[path])
            size = decode_frames([first])[first].shape[:2]
        except REFUSED as error:
            self._add('unreadable', error)
            return {}
        lost = sorted(index for index in wanted.values() if index >= count)
        if lost:
            self._add('missing frame', f'{file}: has {count} frames, but {len(lost)} beyond them are listed (from '
                                       f'frame {lost[0]}, counted from 0); fetch the video again')
        return {path: size for path, index in wanted.items() if index < count}

    def _compare(self, sizes: dict[str, Size]) -> None:
        first, size = next(iter(sizes.items()))
        if self.dataset.key_frame_items and len(set(sizes.values())) == 1:
            return
        for path, other in sizes.items():
            if other != size:
                self._add('size', f'{path}: frame of size {other} (height, width), but {Path(first).name} has {size}; '
                                  'frames of a video must have one size')

    def _extra_files(self, paths: Sequence[str]) -> None:
        single = self.dataset.key_frame_items or len(paths) == 1  # images lie together
        if single or any(split_frame_path(path)[1] is not None for path in paths):
            return
        listed, folder = {Path(path).name for path in paths}, Path(paths[0]).parent
        extra = sorted(f.name for f in folder.iterdir() if f.suffix == Path(paths[0]).suffix and f.name not in listed)
        if extra:
            self.notes.append(f'{folder}: {len(extra)} files are not listed and never read: {_some(extra)}')

    def _masks(self, frames: list[str], sizes: list[Size | None]) -> None:
        seen: set[str] = set()
        asked = self._asked(len(frames))
        self._drop_unknown(asked)
        for t, objects in asked.items():
            try:
                found = self.source.read(self.video.video_id, frames[t], t, objects)
            except FileNotFoundError as error:
                self._add('missing mask', error)
                continue
            except (KeyError, ValueError) as error:
                self._add('size' if ' size ' in str(error) else 'unreadable', error)
                continue
            if found is None:
                if self.dataset.key_frame_items:
                    self._add('missing mask', f'video {self.video.video_id!r}, frame {frames[t]}: is to be scored but '
                                              'has no mask; unpack the annotation again')
                continue
            self.annotated += 1
            if sizes[t] is not None and tuple(found.ignore.shape) != tuple(sizes[t]):
                self._add('size', f'{found.source}: mask of size {tuple(found.ignore.shape)} (height, width), but '
                                  f'frame {frames[t]} has {tuple(sizes[t])}; both must have one size')
            seen |= {o for o, mask in zip(objects, found.objects, strict=True) if mask.any()}
        never = sorted({o for objects in asked.values() for o in objects} - seen)
        if never:
            self.notes.append(f'video {self.video.video_id!r}: objects {never} are never visible')

    def _drop_unknown(self, asked: dict[int, list[str]]) -> None:
        """Objects that a source with a table of its objects does not have: told once, not asked for in every frame."""
        if not hasattr(self.source, '__contains__'):
            return
        for o in dict.fromkeys(o for objects in asked.values() for o in objects):
            if o not in self.source:
                self._add('id', f'video {self.video.video_id!r}: object {o!r} has no masks in {self.source.file}, but '
                                'an expression names it')
                for objects in asked.values():
                    objects[:] = [other for other in objects if other != o]

    def _asked(self, length: int) -> dict[int, list[str]]:
        """Frame -> the objects that expressions ask for there."""
        asked: dict[int, list[str]] = {}
        for expression in self.video.expressions:
            for t in range(length) if expression.key_frames is None else expression.key_frames:
                objects = asked.setdefault(t, [])
                objects += [o for o in expression.object_ids or () if o not in objects]
        return dict(sorted(asked.items()))

    def _add(self, kind: str, message: object) -> None:
        problem = (kind, _text(message))
        if problem not in self.problems[-1:]:  # one file of all frames is told once
            self.problems.append(problem)


def _some(names: Sequence[str], most: int = 5) -> str:
    return ', '.join(names[:most]) + (f' and {len(names) - most} more' if len(names) > most else '')


def duplicate_keys(file: Path) -> Iterator[tuple[str, str]]:
    """Keys that occur twice in an object of a JSON file, each with the keys of the object around it, as text.

    A file that is no JSON yields nothing: its reader says so.
    """
    found: list[tuple[str, str]] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        content: dict[str, Any] = {}
        for key, value in items:
            if key in content:
                found.append((f'the object with keys {_some(list(content))}', key))
            content[key] = value
        return content

    try:
        json.loads(file.read_text(encoding='utf-8'), object_pairs_hook=pairs)
    except (json.JSONDecodeError, UnicodeDecodeError):
        return
    yield from found


def clashing_videos(reports: Sequence[SplitReport]) -> list[Problem]:
    """Videos that occur in more than one split."""
    where: dict[str, list[str]] = {}
    for report in reports:
        for video in dict.fromkeys(report.videos):
            where.setdefault(video, []).append(report.split)
    return [Problem('id', ' and '.join(splits), video, f'video {video!r} is in the splits {splits}; a video belongs to '
                                                       'one, or what was trained on is tested')
            for video, splits in where.items() if len(splits) > 1]
