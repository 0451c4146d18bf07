"""Flow images as files: one folder a video, one image a frame, of the same name."""

import json
import multiprocessing
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from mmlvs.io.atomic import remove_parts, write_bytes, write_json
from mmlvs.io.flow import Estimator, flow_to_color, iter_flow
from mmlvs.io.video import (
    IMAGE_SUFFIXES,
    VIDEO_SUFFIXES,
    count_frames,
    iter_frames,
    list_frame_files,
    natural_order,
)

SETTINGS_FILE = 'make_flow.json'


class FlowFilesError(ValueError):
    """Frames and flow images do not belong together one to one; the message lists the names."""


def check_names(frames: Iterable[str], flows: Iterable[str], *, where: object, shown: int = 50) -> None:
    """Hold the names (without suffix) of flow images against those of frames.

    Args:
        frames: names that must have a flow image.
        flows: names that have one.
        where: for the message.
        shown: names of each kind in the message.

    Raises:
        FlowFilesError: names are missing, extra, or occur twice.
    """
    frames, flows = list(frames), list(flows)
    twice = sorted({name for name in flows if flows.count(name) > 1}) if len(set(flows)) < len(flows) else []
    found = dict(missing=sorted(set(frames) - set(flows)), extra=sorted(set(flows) - set(frames)), double=twice)
    if any(found.values()):
        parts = [f'{len(names)} {kind} ({_listed(names, shown)})' for kind, names in found.items() if names]
        raise FlowFilesError(f'{where}: expected one flow image for each of {len(frames)} frames, by name; found '
                             f'{", ".join(parts)}. A missing one is made by tools/dataset_converters/make_flow.py; '
                             'remove or rename the others')


def _listed(names: Sequence[str], shown: int) -> str:
    return ', '.join(names[:shown]) + (f' and {len(names) - shown} more' if len(names) > shown else '')


@dataclass(frozen=True)
class FlowJob:
    """One video whose flow images are to be made.

    Attributes:
        name: for messages.
        source: folder of frames, or video file (frames are then named 00000, 00001, ...).
        target: folder of the flow images.
        only: folder; only frames with a file of their name there get a flow image (None: all).
        suffix: ``'.png'``, or ``'.jpg'`` at quality 95.
        max_radius: see :func:`flow_to_color`.
    """

    name: str
    source: Path
    target: Path
    only: Path | None = None
    suffix: str = '.png'
    max_radius: float | None = None


def find_flow_jobs(sources: Iterable[str | Path], out: str | Path | None, *, frames: str | None = None,
                   flow: str | None = None, only: str | None = None, **settings) -> list[FlowJob]:
    """Videos below the sources, in natural order.

    Args:
        sources: video files, folders of frames, or folders of such.
        out: folder that gets one folder a video; None: flow lies beside the frames, which needs ``flow``.
        frames: where the frames of a video folder are, ``'Frame'`` for ``<video>/Frame``.
        flow: where its flow images go, ``'Flow'`` for ``<video>/Flow``.
        only: ``'GT'``: only frames with a file of their name in ``<video>/GT`` get one.
        settings: of every :class:`FlowJob`.

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: two videos of one name, no place for the results, or one among the frames.
    """
    if out is None and flow is None:
        raise ValueError('no place for flow images: name a folder (--out), or one within each video (--flow)')
    jobs: dict[Path, FlowJob] = {}
    for source in map(Path, sources):
        for video in _videos(source if source.name not in ('', '..') else source.resolve(), frames):
            if video.is_file() and (out is None or only):
                raise ValueError(f'{video}: a video file has no folders of its own; name a folder for its flow images '
                                 '(--out)' + (', and leave out --only' if only else ''))
            folder = video if out is None else Path(out) / (video.stem if video.is_file() else video.name)
            target = folder / flow if flow else folder
            place = video / frames if frames and video.is_dir() else video
            if target in jobs:
                raise ValueError(f'{jobs[target].source} and {video} would both write to {target}; rename one of them, '
                                 'or name another folder')
            if target.resolve() == place.resolve():
                raise ValueError(f'flow images of {video} would lie among its frames, under their names; name another '
                                 'folder')
            jobs[target] = FlowJob(name=target.relative_to(out).as_posix() if out else str(folder), source=place,
                                   target=target, only=video / only if only else None, **settings)
    return list(jobs.values())


def folders_without_frames(sources: Iterable[str | Path], *, frames: str | None = None) -> list[Path]:
    """Folders below the sources that :func:`find_flow_jobs` passes over, since they hold no frames."""
    return [path for source in map(Path, sources) if source.is_dir() and not _is_video(source, frames)
            for path in natural_order(source.iterdir())
            if path.is_dir() and not path.name.startswith('.') and not _is_video(path, frames)]


def _videos(source: Path, frames: str | None) -> list[Path]:
    if not source.exists():
        raise FileNotFoundError(f'{source}: no such video, folder of frames, or folder of videos')
    if source.is_file() or _is_video(source, frames):
        return [source]
    inside = [path for path in natural_order(source.iterdir()) if not path.name.startswith('.')]
    found = [path for path in inside if _is_video(path, frames) or path.suffix.lower() in VIDEO_SUFFIXES]
    if not found:
        looked = f' (looked for folders <video>/{frames})' if frames else ''
        deeper = [path for path in inside if path.is_dir() and any(_is_video(p, frames) for p in path.iterdir())]
        raise FileNotFoundError(f'{source}: holds neither frames nor videos{looked}' + (
            f'; they lie a level deeper, name these folders: {" ".join(map(str, deeper))}' if deeper else ''))
    return found


def _is_video(path: Path, frames: str | None) -> bool:
    folder = path / frames if frames else path
    return folder.is_dir() and any(file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith('.')
                                   for file in folder.iterdir())


def frame_names(source: Path) -> list[str]:
    """Names of the frames of a folder or video file, in order.

    Raises:
        ValueError: two images of a folder have one name, or a video cannot be decoded.
    """
    if source.is_file() and source.suffix.lower() not in IMAGE_SUFFIXES:
        count = count_frames(source)
        if count == 0:
            raise ValueError(f'{source}: no frame of this video can be decoded; convert it to H.264 MP4, or extract '
                             'its frames into a folder and name the folder')
        return [f'{t:05d}' for t in range(count)]
    names = [file.stem for file in list_frame_files(source)] if source.is_dir() else [source.stem]
    if len(set(names)) < len(names):
        double = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f'{source}: several images are named {_listed(double, 10)}; frames are told apart by their '
                         'names without suffix')
    return names


def flow_names(folder: Path) -> list[str]:
    """Names of the flow images in a folder; none if it does not exist."""
    files = folder.iterdir() if folder.is_dir() else ()
    return [file.stem for file in files if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith('.')]


def _wanted_names(job: FlowJob) -> list[str]:
    names = frame_names(job.source)
    if job.only is None:
        return names
    if not job.only.is_dir():
        raise FileNotFoundError(f'{job.only}: no such folder; it should say which frames need flow')
    chosen = set(flow_names(job.only))
    if chosen - set(names):
        raise FlowFilesError(f'{job.only}: {len(chosen - set(names))} files belong to no frame of {job.source} '
                             f'({_listed(sorted(chosen - set(names)), 50)})')
    return [name for name in names if name in chosen]


def check_flow(job: FlowJob) -> int:
    """Number of flow images of a video.

    Raises:
        FlowFilesError: a frame has none or several, or an image belongs to no frame.
    """
    names = _wanted_names(job)
    check_names(names, flow_names(job.target), where=job.target)
    return len(names)


def make_flow(job: FlowJob, estimator: Estimator) -> int:
    """Make the flow images of a video that are not there yet, each written whole or not at all.

    An image whose frame is followed by one without image is made again: it may have been the last of a video that has
    grown since, with the flow to the frame before.

    Returns:
        Images made of frames that had none.

    Raises:
        FlowFilesError: the folder holds images that belong to no frame.
        ValueError: a frame cannot be decoded, or frames differ in size.
    """
    names, wanted, there = frame_names(job.source), set(_wanted_names(job)), set(flow_names(job.target))
    check_names(wanted, there | wanted, where=job.target)
    if job.target.is_dir():
        remove_parts(job.target)
    missing = wanted - there
    again = {name for name, after in zip(names[:-1], names[1:], strict=True) if name in there and after in missing}
    if missing:
        asked = iter([name in missing or name in again for name in names])
        flows = iter_flow(iter_frames(job.source), lambda *pair: estimator(*pair) if next(asked) else None)
        for name, flow in zip(names, flows, strict=True):
            if flow is not None and (name in missing or name in again):  # a single frame has flow without being asked
                _write_if_new(job.target / f'{name}{job.suffix}', flow_to_color(flow, max_radius=job.max_radius))
    check_flow(job)
    return len(missing)


def _write_if_new(file: Path, image: np.ndarray) -> None:
    content = BytesIO()
    Image.fromarray(image).save(content, **(dict(format='JPEG', quality=95) if file.suffix == '.jpg' else
                                            dict(format='PNG')))
    if not file.is_file() or file.read_bytes() != content.getvalue():
        write_bytes(file, content.getvalue())


def keep_settings(folder: Path, settings: dict) -> None:
    """Write down with what settings the flow images of a folder are made; they must not be of several kinds.

    Raises:
        ValueError: the folder was made with other settings.
    """
    file = folder / SETTINGS_FILE
    if not file.is_file():
        write_json(file, settings)
        return
    found = json.loads(file.read_text(encoding='utf-8'))
    if found != settings:
        differing = sorted(key for key in {*found, *settings} if found.get(key) != settings.get(key))
        raise ValueError(f'{file}: the images here were made with other settings ('
                         + ', '.join(f'{key} {found.get(key)!r}, now {settings.get(key)!r}' for key in differing)
                         + '); use the same ones, another folder, or remove this one first')


def run_flow_jobs(jobs: Sequence[FlowJob], estimator: Estimator | None, *, workers: int = 1,
                  progress: Callable[[], object] = int) -> tuple[int, list[str]]:
    """:func:`make_flow` of many videos, or :func:`check_flow` where no estimator is given.

    Args:
        jobs: the videos.
        estimator: sent to every process.
        workers: processes, a video each.
        progress: called after each video.

    Returns:
        Images made or checked, and the errors of the videos that failed; the others are not affected.
    """
    total, errors = 0, []

    def take(job: FlowJob, result: Callable[[], int]) -> None:
        nonlocal total
        try:
            total += result()
        except Exception as error:  # whatever it is, the other videos go on and the caller is told
            errors.append(f'{job.name}: {error}' if isinstance(error, (ValueError, OSError)) else
                          f'{job.name}: {type(error).__name__}: {error}')
        progress()

    if workers == 1 or len(jobs) == 1:
        for job in jobs:
            take(job, partial(_run, job, estimator))
        return total, errors
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context, initializer=cv2.setNumThreads,
                             initargs=(1, )) as pool:
        futures = {pool.submit(_run, job, estimator): job for job in jobs}
        for future in as_completed(futures):
            take(futures[future], future.result)
    return total, sorted(errors)


def _run(job: FlowJob, estimator: Estimator | None) -> int:
    return check_flow(job) if estimator is None else make_flow(job, estimator)
