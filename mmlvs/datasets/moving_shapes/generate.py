"""Writes a data set of moving shapes in the layout of Ref-YouTube-VOS.

    <root>/moving_shapes.json                                   settings, numbers of videos, statistics
    <root>/{train,valid,test}/JPEGImages/<video>/<frame>.jpg
    <root>/{train,valid,test}/Annotations/<video>/<frame>.png   object numbers, PASCAL palette
    <root>/{train,valid,test}/meta.json                         objects with attributes, paths, visible areas
    <root>/meta_expressions/{train,valid,test}/meta_expressions.json

Unlike in the original, valid and test come with masks and with `obj_id`, so that they can be scored. In the 'zero-shot'
form a video has no expressions; object "1" is the one that moves by itself, all others belong to the background (they
are listed as `distractors` in `meta.json`, together with the path of the `camera`).
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from mmlvs.datasets.moving_shapes.scene import MovingShapesSettings
from mmlvs.datasets.moving_shapes.video import (
    SPLITS,
    VERSION,
    ShapesVideo,
    expressions_entry,
    frame_names,
    make_video,
    meta_entry,
    scores_of_trivial_answers,
    video_names,
)
from mmlvs.io.atomic import write_json
from mmlvs.io.masks import pascal_palette

JPEG_QUALITY = 95
STATE_FILE = 'moving_shapes.json'
_PROGRESS = '.progress'


# ---------------------------------------------------------------- one video
def write_video(root: Path, split: str, video: ShapesVideo) -> None:
    """Writes frames and masks of a video; each of its two folders appears complete or not at all."""
    palette = pascal_palette().tobytes()
    for folder, suffix in (('JPEGImages', '.jpg'), ('Annotations', '.png')):
        target = root / split / folder / video.name
        part = root / _PROGRESS / f'{split}-{folder}-{video.name}.part'
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        for t, name in enumerate(frame_names(len(video.frames))):
            if suffix == '.jpg':
                Image.fromarray(video.frames[t]).save(part / (name + suffix), quality=JPEG_QUALITY, subsampling=0)
            else:
                image = Image.fromarray(video.index[t])
                image.putpalette(palette)  # turns mode L into mode P; the values stay
                image.save(part / (name + suffix))
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(part, target)


def _produce(root: Path, settings: MovingShapesSettings, split: str, position: int, name: str) -> None:
    """Makes and writes one video and, last of all, the note that it is done (with its part of the annotations)."""
    cv2.setNumThreads(1)
    video = make_video(settings, split, position, name)
    write_video(root, split, video)
    note = dict(meta=meta_entry(video), expressions=expressions_entry(video), trivial=scores_of_trivial_answers(video))
    path = _note(root, split, name)
    part = path.with_suffix('.part')
    part.write_text(json.dumps(note), encoding='utf-8')
    os.replace(part, path)


def _note(root: Path, split: str, name: str) -> Path:
    return root / _PROGRESS / f'{split}-{name}.json'


# ---------------------------------------------------------------- statistics
def _statistics(settings: MovingShapesSettings, notes: list[dict]) -> dict:
    """Counts over the videos of a split, and the mean J of answers that ignore the sentences."""
    expressions = [one for note in notes for one in note['expressions']['expressions'].values()]
    clues = [clue for one in expressions for clue in one['clues']]
    statistics = dict(
        videos=len(notes),
        frames=len(notes) * settings.frames,
        objects=sum(len(note['meta']['objects']) for note in notes),
        expressions=len(expressions),
        clue_types=dict(sorted(Counter(one['clue_type'] for one in expressions).items())),
        clues=dict(sorted(Counter(f"{clue['type']}/{clue['name']}" for clue in clues).items())),
        clues_per_expression=dict(sorted(Counter(str(len(one['clues'])) for one in expressions).items())),
        vocabulary=len({word for one in expressions for word in one['exp'].split()}),
        trivial_j={},
    )
    for answer in ('largest', 'random', 'all'):
        scores = [score for note in notes for score in note['trivial'].get(answer, [])]
        if scores:
            statistics['trivial_j'][answer] = round(float(np.mean(scores)), 4)
    return statistics


def format_statistics(statistics: dict[str, dict]) -> str:
    """Puts the statistics of all splits (see `generate`) into lines to be read."""
    lines = []
    for split, numbers in statistics.items():
        lines.append(
            f"{split}: {numbers['videos']} videos, {numbers['frames']} frames, {numbers['objects']} objects, "
            f"{numbers['expressions']} expressions, {numbers['vocabulary']} different words"
        )
        for key in ('clue_types', 'clues', 'clues_per_expression'):
            if numbers[key]:
                counts = ', '.join(f'{name} {count}' for name, count in numbers[key].items())
                lines.append(f'  {key.replace("_", " ")}: {counts}')
        if numbers['trivial_j']:
            scores = ', '.join(f'{name} object {j:.3f}' for name, j in numbers['trivial_j'].items())
            lines.append('  mean J of answers that ignore the sentence: ' + scores.replace('all object', 'all objects'))
    return '\n'.join(lines)


# ---------------------------------------------------------------- the whole data set
@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Lets one process at a time work in a folder; the lock ends with the process, however that ends."""
    root.mkdir(parents=True, exist_ok=True)
    with open(root / '.lock', 'w') as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _check_state(root: Path, wanted: dict) -> dict | None:
    """Reads what is there. Returns the statistics of a complete data set, None if there is something to do.

    Raises:
        FileExistsError: if the folder holds something else.
    """
    path = root / STATE_FILE
    if not path.exists():
        foreign = sorted(name for name in (*SPLITS, 'meta_expressions') if (root / name).exists())
        if foreign:
            raise FileExistsError(
                f'{root} holds {", ".join(foreign)} but no {STATE_FILE}: it is not a data set of moving shapes. '
                'Choose another folder.'
            )
        return None
    state = json.loads(path.read_text(encoding='utf-8'))
    found = {key: state.get(key) for key in wanted}
    if found != wanted:
        differences = '; '.join(
            f'{key}: found {found[key]}, wanted {wanted[key]}' for key in wanted if found[key] != wanted[key]
        )
        raise FileExistsError(
            f'{root} holds moving shapes with other settings ({differences}). Choose another folder, delete this one, '
            'or ask for the settings found.'
        )
    return state['statistics']


def _check_files(root: Path, settings: MovingShapesSettings, split: str, name: str) -> bool:
    folders = (root / split / 'JPEGImages' / name, root / split / 'Annotations' / name)
    return all(folder.is_dir() and len(os.listdir(folder)) == settings.frames for folder in folders)


def generate(
    root: str | os.PathLike,
    settings: MovingShapesSettings,
    videos: dict[str, int],
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, dict]:
    """Writes a data set of moving shapes, or goes on where an earlier call was interrupted.

    The same settings give the same files, byte for byte, whatever the number of workers; a larger number of videos
    begins with the same videos. A folder that is already complete is left as it is.

    Args:
        root: folder of the data set.
        settings: what the videos look like.
        videos: split ('train', 'valid', 'test') -> number of videos, at least 1.
        workers: processes; 1 works in the calling one.
        progress: called with (videos done, videos in all), first with what was there already.

    Returns:
        split -> statistics: numbers of videos, frames, objects, expressions, clues; `trivial_j`, the mean J of answers
        that ignore the sentence.

    Raises:
        ValueError: if `videos` names no or an unknown split, or a number below 1.
        FileExistsError: if the folder holds something else or moving shapes with other settings.
    """
    unknown = sorted(set(videos) - set(SPLITS))
    if unknown or not videos or min(videos.values()) < 1:
        raise ValueError(f'videos must give a number >= 1 for one or more of {list(SPLITS)}, found {videos}')
    if workers < 1:
        raise ValueError(f'workers must be at least 1, found {workers}')
    root = Path(root)
    wanted = dict(version=VERSION, settings=asdict(settings), videos={s: videos[s] for s in SPLITS if s in videos})
    names = {split: video_names(settings, split, count) for split, count in wanted['videos'].items()}
    total = sum(videos.values())
    with _alone(root):
        statistics = _check_state(root, wanted)
        if statistics:
            for split in names:
                missing = [name for name in names[split] if not _check_files(root, settings, split, name)]
                if missing:
                    raise FileNotFoundError(
                        f'{root} was complete, but frames or masks of {len(missing)} videos of {split} are missing now '
                        f'(first: {missing[0]}). Delete {root} and make it again.'
                    )
            if progress is not None:
                progress(total, total)
            return statistics
        write_json(root / STATE_FILE, dict(wanted, statistics=None))
        (root / _PROGRESS).mkdir(exist_ok=True)
        _produce_all(root, settings, names, workers, progress, total)
        return _finish(root, settings, names, wanted)


def _produce_all(root, settings, names, workers, progress, total) -> None:
    """Makes the videos for which there is no note yet."""
    jobs = [
        (root, settings, split, position, name)
        for split in names
        for position, name in enumerate(names[split])
        if not (_note(root, split, name).exists() and _check_files(root, settings, split, name))
    ]
    done = total - len(jobs)
    report = progress or (lambda done, total: None)
    report(done, total)
    if workers == 1:
        for job in jobs:
            _produce(*job)
            done += 1
            report(done, total)
    elif jobs:
        with ProcessPoolExecutor(max_workers=workers) as pool:
            for _ in pool.map(_produce, *zip(*jobs, strict=True), chunksize=4):
                done += 1
                report(done, total)


def _finish(root: Path, settings: MovingShapesSettings, names: dict[str, list[str]], wanted: dict) -> dict[str, dict]:
    """Puts the notes of all videos together and removes them."""
    statistics = {}
    for split in names:
        notes = {name: json.loads(_note(root, split, name).read_text(encoding='utf-8')) for name in names[split]}
        write_json(root / split / 'meta.json', {'videos': {name: notes[name]['meta'] for name in notes}}, indent=None)
        write_json(
            root / 'meta_expressions' / split / 'meta_expressions.json',
            {'videos': {name: notes[name]['expressions'] for name in notes}},
            indent=None,
        )
        statistics[split] = _statistics(settings, list(notes.values()))
    write_json(root / STATE_FILE, dict(wanted, statistics=statistics))
    shutil.rmtree(root / _PROGRESS)
    return statistics
