"""Scores of the folders of results, one video or expression at a time, in several processes."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from mmlvs.evaluation.folders.conventions import FolderConvention
from mmlvs.evaluation.folders.truth import Truth, Unit, read_grey
from mmlvs.evaluation.functional.davis import (
    VOID_LABEL,
    evaluate_sequence,
    frame_scores,
    series_statistics,
)
from mmlvs.evaluation.functional.saliency import SaliencyScores, saliency_scores
from mmlvs.evaluation.functional.tracks import temporal_iou_of
from mmlvs.io.masks import read_index_png


@dataclass(frozen=True)
class UnitScores:
    """Scores of the tracks of one folder.

    ``names``: objects or the expression; ``j``, ``f``: (tracks, frames); ``numbers``: for each track name -> fraction
    (``J``, ``J-Recall``, ``J-Decay``, ...; ``tIoU``, ``vIoU``); ``saliency``: scores of each frame.
    """

    unit: Unit
    frames: tuple[str, ...]
    names: tuple[str, ...] = ()
    j: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    f: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    numbers: tuple[dict[str, float], ...] = ()
    saliency: tuple[SaliencyScores, ...] = ()


def score_folder(prediction: str | Path, units: Sequence[Unit], truth: Truth, *, workers: int = 1
                 ) -> Iterator[UnitScores]:
    """Scores of every folder in the order of ``units``.

    Args:
        prediction: root of the results, free of problems (:func:`find_problems`).
        units: the folders.
        truth: what they are held against.
        workers: processes; 1 = this one.
    """
    if workers <= 1:
        yield from (score_unit(Path(prediction), truth, unit) for unit in units)
        return
    # not forked: a copy of a process whose OpenCV has threads waits for them for ever
    with ProcessPoolExecutor(workers, mp_context=get_context('forkserver'), initializer=_start,
                             initargs=(Path(prediction), truth)) as pool:
        yield from pool.map(_score, units, chunksize=max(len(units) // (8 * workers), 1))


_own: dict[str, object] = {}
"""What a process scores with: sent once, so that a data set is opened once."""


def _start(root: Path, truth: Truth) -> None:
    cv2.setNumThreads(1)
    _own.update(root=root, truth=truth)


def _score(unit: Unit) -> UnitScores:
    return score_unit(_own['root'], _own['truth'], unit)


def score_unit(root: Path, truth: Truth, unit: Unit) -> UnitScores:
    """Scores of one folder.

    Raises:
        ValueError: index maps hold numbers that the task does not allow; the message names the folder.
    """
    c = truth.convention
    try:
        return {'index': _index, 'mask': _masks, 'levels': _levels}[c.pixels](root, truth, unit, c)
    except ValueError as error:
        raise ValueError(f'{root / unit.folder}: {error}') from error


def _pairs(root: Path, truth: Truth, unit: Unit, c: FolderConvention) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Prediction and truth of each annotated frame, (H, W) uint8."""
    read = read_index_png if c.pixels == 'index' else read_grey
    for frame in unit.frames:
        wanted = truth.read(unit, frame)
        if wanted is None:
            continue
        found = read(root / unit.folder / f'{frame}.png')
        if found.shape != wanted.shape and c.resize:
            found = cv2.resize(found, wanted.shape[::-1], interpolation=cv2.INTER_LINEAR)
        if found.shape != wanted.shape:
            raise ValueError(f'frame {frame} has size {found.shape}, the truth {wanted.shape} (H, W)')
        yield frame, found, wanted


def _statistics(unit: Unit, frames: list[str], names: list[str], j: np.ndarray, f: np.ndarray, c: FolderConvention,
                more: list[dict[str, float]] | None = None) -> UnitScores:
    """J, F and their statistics of tracks (tracks, T)."""
    numbers = []
    for row, pair in enumerate(zip(j, f, strict=True)):
        found: dict[str, float] = {}
        for name, values in zip('JF', pair, strict=True):
            mean, recall, decay = series_statistics(values, skip=c.skip, toolkit_exact=c.toolkit_exact)
            found |= {name: mean, f'{name}-Recall': recall, f'{name}-Decay': decay}
        found = {'J&F': (found['J'] + found['F']) / 2, **found}
        numbers.append(found | (more[row] if more else {}))
    return UnitScores(unit, tuple(frames), tuple(names), j, f, tuple(numbers))


def _masks(root: Path, truth: Truth, unit: Unit, c: FolderConvention) -> UnitScores:
    frames, rows, shown, there = [], [], [], []
    for frame, found, wanted in _pairs(root, truth, unit, c):
        masks = found > c.prediction_above, wanted > c.truth_above
        frames.append(frame)
        rows.append(frame_scores(*masks))
        for flags, mask in zip((shown, there), masks, strict=True):
            flags.append(bool(mask.any()))
    j, f = np.asarray(rows, dtype=np.float64).reshape(-1, 2).T  # (T, 2) -> 2 x (T,)
    more = [dict(zip(('tIoU', 'vIoU'), temporal_iou_of(shown, there, j), strict=True))] if c.temporal else None
    return _statistics(unit, frames, [unit.track], j[None], f[None], c, more)


def _index(root: Path, truth: Truth, unit: Unit, c: FolderConvention) -> UnitScores:
    triples = list(_pairs(root, truth, unit, c))
    if not triples:
        raise ValueError('no frame is annotated')
    frames, found, wanted = (list(column) for column in zip(*triples, strict=True))
    prediction, target = np.stack(found), np.stack(wanted)  # (T, H, W)
    if c.task != 'objects':
        scores = evaluate_sequence(prediction, target, task=c.task)
        used = frames[1:-1] if c.task == 'semi-supervised' else frames
        return _statistics(unit, used, [str(o) for _, o in scores.pairs], scores.j, scores.f, c)
    objects = [int(o) for o in np.unique(target) if o not in (0, VOID_LABEL)]
    surplus = set(np.unique(prediction).tolist()) - {0, *objects}
    if surplus:
        raise ValueError(f'index maps hold {sorted(surplus)}, but the truth has objects {objects}; a mask must be '
                         'stored with index 1, or choose a convention of grey masks')
    scores = np.asarray([[frame_scores(p == o, g == o) for p, g in zip(prediction, target, strict=True)]
                         for o in objects]).reshape(len(objects), len(frames), 2)
    return _statistics(unit, frames, [str(o) for o in objects], scores[..., 0], scores[..., 1], c)


def _levels(root: Path, truth: Truth, unit: Unit, c: FolderConvention) -> UnitScores:
    frames, rows = [], []
    for frame, found, wanted in _pairs(root, truth, unit, c):
        frames.append(frame)
        rows.append(saliency_scores(found, wanted, protocol=c.saliency, weighted=c.saliency == 'standard'))
    return UnitScores(unit, tuple(frames), saliency=tuple(rows))
