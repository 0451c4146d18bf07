"""One video of moving shapes, in memory, and what is written down about it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from mmlvs.datasets.moving_shapes.expressions import CLUE_TYPES, Expression, choose_expressions
from mmlvs.datasets.moving_shapes.render import SceneMasks, draw_frames
from mmlvs.datasets.moving_shapes.scene import (
    MIN_VISIBLE,
    MovingShapesSettings,
    Scene,
    sample_count,
    sample_scene,
    sample_zero_shot_scene,
)
from mmlvs.datasets.moving_shapes.truth import Clue, ObjectRecord, Truth

SPLITS = ('train', 'valid', 'test')
VERSION = 1  # raised when the same settings begin to give other bytes
_ATTEMPTS = 500


@dataclass
class ShapesVideo:
    """A finished video.

    Attributes:
        name: 10 hexadecimal characters.
        frames: (T, H, W, 3) uint8 RGB.
        index: (T, H, W) uint8, object numbers as in the annotation files.
        records: of all objects in order of their numbers (in the zero-shot form only the first is annotated).
        expressions: sentences; empty in the zero-shot form.
        camera: (T, 2) shift of the background in pixels.
    """

    name: str
    frames: np.ndarray
    index: np.ndarray
    records: list[ObjectRecord]
    expressions: list[Expression]
    camera: np.ndarray


def video_names(settings: MovingShapesSettings, split: str, count: int) -> list[str]:
    """Names of the first `count` videos of a split: 10 hexadecimal characters each, all different."""
    names: dict[str, None] = {}
    for position in range(count):
        salt = 0
        while len(names) == position:
            names.setdefault(hashlib.sha256(f'{settings.seed}/{split}/{position}/{salt}'.encode()).hexdigest()[:10])
            salt += 1
    return list(names)


def _records(scene: Scene, masks: SceneMasks) -> list[ObjectRecord]:
    return [
        ObjectRecord(
            shape=one.shape,
            color=one.color,
            size=one.size,
            motion=one.motion,
            track=np.round(one.track, 2),
            area=masks.area[i],
            full_area=int(masks.full_area[i]),
            covered={j: int(pixels) for j, pixels in enumerate(masks.cover[:, i].max(axis=0)) if pixels},
        )
        for i, one in enumerate(scene.objects)
    ]


def _well_visible(settings: MovingShapesSettings, scene: Scene, masks: SceneMasks, objects: int) -> bool:
    """The first `objects` objects are seen in at least half of the frames and, while they are there, mostly uncovered;
    no two of all objects stay together for long, least of all two of one color."""
    seen = masks.area[:objects] >= MIN_VISIBLE * settings.height * settings.width  # (O, T)
    share = masks.area[:objects] / masks.full_area[:objects, None]
    if (seen.mean(axis=1) < 0.5).any() or any(share[i, seen[i]].mean() < 0.65 for i in range(objects)):
        return False
    if settings.level == 'easy' and share.min() < 0.3:
        return False
    touching = (masks.cover > 0.03 * masks.full_area[None, :, None]).mean(axis=0)  # (O, O) share of the frames
    colors = np.array([one.color for one in scene.objects])
    return bool((touching <= np.where(colors[:, None] == colors, 0.3, 0.5)).all())


def _moves_by_itself(settings: MovingShapesSettings, scene: Scene) -> bool:
    """The first object clearly moves against the background in every part of the video."""
    path = scene.objects[0].track - scene.camera
    step, extent = np.hypot(*np.diff(path, axis=0).T), np.ptp(path, axis=0).max()
    return bool(step.min() >= 0.15 * settings.side / settings.frames and extent >= 0.25 * settings.side)


def make_video(settings: MovingShapesSettings, split: str, position: int, name: str = '') -> ShapesVideo:
    """Makes one video; the same arguments always give the same pixels.

    Args:
        settings: of the data set.
        split: 'train', 'valid' or 'test'.
        position: of the video in its split, from 0.
        name: of the video, which does not influence its content; by default the one of `video_names`.

    Raises:
        RuntimeError: if no scene can be found that fulfils all conditions.
    """
    rng = np.random.default_rng([VERSION, settings.seed, SPLITS.index(split), position])
    sample = sample_zero_shot_scene if settings.form == 'zero-shot' else sample_scene
    count = sample_count(rng, settings)  # once: what is hard to arrange must not become rare
    for _ in range(_ATTEMPTS):
        scene = sample(rng, settings, count)
        masks = SceneMasks(scene=scene, height=settings.height, width=settings.width)
        if not _well_visible(settings, scene, masks, 1 if settings.form == 'zero-shot' else len(scene.objects)):
            continue
        records = _records(scene, masks)
        if settings.form == 'zero-shot':
            if not _moves_by_itself(settings, scene):
                continue
            expressions: list[Expression] | None = []
        else:
            truth = Truth(
                records=records,
                height=settings.height,
                width=settings.width,
                min_area=MIN_VISIBLE * settings.height * settings.width,
            )
            types = CLUE_TYPES[:1] if settings.level == 'easy' else CLUE_TYPES
            expressions = choose_expressions(rng, truth, types=types, most=4, easy=settings.level == 'easy')
            if expressions is None:
                continue
        index = masks.index if settings.form == 'rvos' else (masks.index == 1).astype(np.uint8)
        name = name or video_names(settings, split, position + 1)[-1]
        return ShapesVideo(name, draw_frames(rng, scene, masks), index, records, expressions, scene.camera)
    raise RuntimeError(f'no scene found for video {position} of {split} in {_ATTEMPTS} attempts with {settings}')


# ---------------------------------------------------------------- what is written about it
def _clue_entry(clue: Clue) -> dict:
    entry: dict = {'type': clue.type, 'name': clue.name, 'value': clue.value}
    if clue.name == 'superlative':
        entry['among'] = list(clue.among)
    if clue.anchor is not None:
        entry['anchor'] = str(clue.anchor + 1)
        entry['anchor_clues'] = [_clue_entry(other) for other in clue.anchor_clues]
    return entry


def expressions_entry(video: ShapesVideo) -> dict:
    """The video's part of `meta_expressions.json`."""
    expressions = {
        str(k): {
            'exp': expression.text,
            'obj_id': str(expression.referent + 1),
            'clue_type': expression.clue_type,
            'clues': [_clue_entry(clue) for clue in expression.clues],
            'noun_chunks': expression.noun_chunks,
        }
        for k, expression in enumerate(video.expressions)
    }
    return {'expressions': expressions, 'frames': frame_names(len(video.frames))}


def meta_entry(video: ShapesVideo) -> dict:
    """The video's part of `meta.json`: per object category, frames, attributes, path, visible and covered pixels."""
    names = frame_names(len(video.frames))
    objects: dict[str, dict] = {}
    for i, record in enumerate(video.records):
        objects[str(i + 1)] = {
            'category': record.shape,
            'frames': [name for name, area in zip(names, record.area, strict=True) if area > 0],
            'color': record.color,
            'size': record.size,
            'motion': record.motion,
            'track': record.track.tolist(),
            'area': record.area.tolist(),
            'full_area': record.full_area,
            'covered': {str(j + 1): pixels for j, pixels in record.covered.items()},
        }
    if video.expressions:
        return {'objects': objects}
    annotated = {key: value for key, value in objects.items() if key == '1'}
    distractors = {key: value for key, value in objects.items() if key != '1'}
    return {'objects': annotated, 'distractors': distractors, 'camera': np.round(video.camera, 2).tolist()}


def frame_names(count: int) -> list[str]:
    """Names of the frames of a video, without suffix: five digits from 00000."""
    return [f'{t:05d}' for t in range(count)]


def scores_of_trivial_answers(video: ShapesVideo) -> dict[str, list[float]]:
    """What answers that ignore the sentence would score: mean region similarity J over the frames.

    Returns:
        one number per expression for 'largest' (the object with the most visible pixels), 'random' (mean over all
        objects) and 'all' (union of the objects); nothing in the zero-shot form.
    """
    frames = len(video.index)
    if not video.expressions:
        return {}
    masks = [video.index == i + 1 for i in range(len(video.records))]
    largest = int(np.argmax([record.area.sum() for record in video.records]))
    scores: dict[str, list[float]] = {'largest': [], 'random': [], 'all': []}
    for expression in video.expressions:
        target = masks[expression.referent]
        own = [_mean_j(mask, target, frames) for mask in masks]
        scores['largest'].append(own[largest])
        scores['random'].append(float(np.mean(own)))
        scores['all'].append(_mean_j(video.index > 0, target, frames))
    return scores


def _mean_j(answer: np.ndarray, target: np.ndarray, frames: int) -> float:
    """Mean over frames of intersection over union (1 where both are empty); answer, target: (T, H, W) bool."""
    both = (answer & target).reshape(frames, -1).sum(axis=1)  # (T, H, W) -> (T, HW)
    either = (answer | target).reshape(frames, -1).sum(axis=1)  # (T, H, W) -> (T, HW)
    return float(np.where(either > 0, both / np.maximum(either, 1), 1.0).mean())
