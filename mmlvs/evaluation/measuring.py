"""Speed of the scores against their plain forms: every pair is first held against each other, then takes turns."""

import importlib.util
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np

from mmlvs.evaluation.functional.davis import track_scores
from mmlvs.evaluation.functional.referring import candidate_summary
from mmlvs.evaluation.functional.saliency import saliency_scores
from mmlvs.io.masks import encode_rle, read_index_png
from mmlvs.utils.timing import measure

PARTS = ('jf', 'speckle', 'a2d', 'saliency')
_CANDIDATES = 5


def load_plain(file: Path) -> ModuleType:
    """The module of plain forms.

    Raises:
        FileNotFoundError: it is not there.
    """
    if not file.is_file():
        raise FileNotFoundError(f'there is no {file}, the plain forms of the scores: they are part of the source '
                                'repository only')
    spec = importlib.util.spec_from_file_location('_mmlvs_plain_scores', file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read_clips(root: Path, frames: int) -> dict[str, np.ndarray]:
    """Masks of real clips in Ref-YouTube-VOS form: the first frames of every object.

    Args:
        root: folder with ``Annotations/<clip>`` or ``<clip>/Annotations/<clip>``.
        frames: most frames of a clip.

    Returns:
        ``clip/object`` -> bool (T, H, W).

    Raises:
        FileNotFoundError: no index PNG is there.
    """
    folders = sorted({path.parent for path in root.glob('**/Annotations/*/*.png')})
    if not folders:
        raise FileNotFoundError(f'{root}: expected Annotations/<clip>/<frame>.png somewhere below it')
    found = {}
    for folder in folders:
        maps = np.stack([read_index_png(path) for path in sorted(folder.glob('*.png'))[:frames]])
        for index in np.unique(maps):
            if index not in (0, 255):
                found[f'{folder.name}/{index}'] = maps == index
    return found


def guesses(truth: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A plausible prediction of a track (T, H, W): moved, with a ragged edge.

    Returns:
        uint8 levels and the mask above 128.
    """
    rng, width = np.random.default_rng(seed), 2 * (truth.shape[2] // 80) + 1
    moved = np.roll(truth, -(truth.shape[2] // 150), axis=2)
    soft = [cv2.GaussianBlur((frame + rng.normal(0, 1, frame.shape)).astype(np.float32), (width, width), 0)
            for frame in moved]
    levels = np.stack([(np.clip(frame * (shown.any() or 0.1), 0, 1) * 255).astype(np.uint8)
                       for frame, shown in zip(soft, moved, strict=True)])
    return levels, levels > 128


def measure_scores(table: Any, *, tracks: dict[str, np.ndarray], plain: ModuleType, seed: int, repeats: int,
                   warmup: int, parts: tuple[str, ...] = PARTS) -> None:
    """Fill a table with the speed of J and F, A2D and saliency scores against the plain forms.

    Args:
        table: a :class:`mmlvs.engine.measuring.MeasurementTable`.
        tracks: true masks, name -> (T, H, W) bool.
        plain: the module of plain forms.
        seed: of the synthetic predictions.
        repeats, warmup: rounds.
        parts: some of ``PARTS``.

    Raises:
        ValueError: a form and its plain form disagree.
    """
    cv2.setNumThreads(1)
    made = {name: guesses(truth, seed + k) for k, (name, truth) in enumerate(tracks.items())}
    pairs = [(made[name][1], truth) for name, truth in tracks.items()]
    frames = sum(len(truth) for _, truth in pairs)
    rounds = dict(repeats=repeats, warmup=warmup)
    if 'jf' in parts:
        forms = {'cv2.dilate on whole frames': partial(_every, plain.track_scores, pairs),
                 'scipy on whole frames': partial(_every, partial(plain.track_scores, dilate=plain.dilate_scipy),
                                                  pairs[:2])}
        few = sum(len(truth) for _, truth in pairs[:2])
        for (name, form), number in zip(forms.items(), (frames, few), strict=True):
            ours = partial(_every, track_scores, pairs if number == frames else pairs[:2])
            _compare(table, f'J and F of {number} frames', ours, form, name, 1e-9, number, rounds)
    if 'speckle' in parts:
        shape, rng = next(iter(tracks.values())).shape[1:], np.random.default_rng(seed)
        noise = [(rng.random((4, *shape)) < 0.5, rng.random((4, *shape)) < 0.5)]
        _compare(table, 'J and F of speckle', partial(_every, track_scores, noise),
                 partial(_every, plain.track_scores, noise), 'cv2.dilate on whole frames', 1e-9, 4, rounds)
    if 'a2d' in parts:
        truth, predictions = a2d_files(tracks, made, seed)
        _compare(table, f'A2D scores of {len(predictions)} candidates', partial(_a2d, truth, predictions),
                 partial(_a2d_plain, plain, truth, predictions), 'decode and compare', 1e-9, len(truth['images']),
                 rounds)
    if 'saliency' in parts:
        maps = [(made[name][0][t], truth[t].astype(np.uint8) * 255) for name, truth in tracks.items()
                for t in range(0, len(truth), max(len(truth) // 2, 1))][:4]
        for protocol, weighted in (('standard', False), ('isomer', False), ('standard', True)):
            names = ['mae', 'f', 'e', 's'] + ['wf'] * weighted
            _compare(table, f'saliency, {protocol}{" with weighted F" * weighted}',
                     partial(_saliency, maps, protocol, weighted, None, names),
                     partial(_saliency, maps, protocol, weighted, plain, names), 'a pass for every threshold', 1e-6,
                     len(maps), rounds)


def _compare(table: Any, name: str, ours: Callable[[], np.ndarray], plain: Callable[[], np.ndarray], against: str,
             tolerance: float, amount: int, rounds: dict) -> None:
    """One line for the plain form, one for ours with their ratio; refused when their results differ."""
    error = float(np.nan_to_num(np.abs(ours() - plain())).max())
    if not error <= tolerance:
        raise ValueError(f'{name}: our form and "{against}" differ by {error:.1e} (allowed {tolerance:.0e}): one of '
                         'them is wrong, and times mean nothing')
    found = measure({'ours': ours, 'plain': plain}, **rounds)
    table.timing(f'{name}, plain', found['plain'], amount=amount, unit='frames', note=against)
    table.timing(name, found['ours'], baseline=found['plain'], against=against, amount=amount, unit='frames',
                 note=f'differ by {error:.0e}')


def _every(form: Callable, pairs: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    return np.concatenate([np.stack(form(*pair)) for pair in pairs], axis=1)  # (2, frames)


def a2d_files(tracks: dict[str, np.ndarray], made: dict[str, tuple], seed: int) -> tuple[dict, list[dict]]:
    """COCO truth of every frame of the tracks, and five scored candidates of each."""
    rng, images, rows, predictions = np.random.default_rng(seed), [], [], []
    for name, truth in tracks.items():
        for t, mask in enumerate(truth):
            image, size = f'{name}/{t}', list(map(int, mask.shape))
            images.append({'id': image, 'height': size[0], 'width': size[1]})
            rows.append({'id': len(rows) + 1, 'image_id': image, 'category_id': 1, 'segmentation': encode_rle(mask),
                         'area': float(mask.sum()), 'iscrowd': 0})
            guess = made[name][1][t]
            for k in range(_CANDIDATES):
                shown = np.roll(guess, k * size[1] // 20, axis=1)
                predictions.append({'image_id': image, 'category_id': 1, 'segmentation': encode_rle(shown),
                                    'score': float(rng.random() / (k + 1))})
    return {'images': images, 'annotations': rows, 'categories': [{'id': 1, 'name': 'object'}]}, predictions


def _a2d(truth: dict, predictions: list[dict]) -> np.ndarray:
    found, coco = candidate_summary(truth, predictions)
    return np.concatenate([found.precision, [found.mean_iou, found.overall_iou], coco])


def _a2d_plain(plain: ModuleType, truth: dict, predictions: list[dict]) -> np.ndarray:
    found = plain.candidate_scores(truth, predictions)
    return np.concatenate([found['precision'], [found['mean_iou'], found['overall_iou']], found['coco']])


def _saliency(maps: list, protocol: str, weighted: bool, plain: ModuleType | None, names: list[str]) -> np.ndarray:
    fields = {'mae': 'mae', 'f': 'f', 'e': 'e', 's': 'structure', 'wf': 'weighted_f'}
    form = saliency_scores if plain is None else plain.saliency_scores
    rows = []
    for pair in maps:
        found = form(*pair, protocol=protocol, weighted=weighted)
        rows.append(np.concatenate([np.ravel(getattr(found, fields[n]) if plain is None else found[n]) for n in names]))
    return np.stack(rows)
