"""MeViS as the official classes of ReferDINO, SAMWISE and Sa2VA return it."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmlvs.datasets.official import register_view
from mmlvs.datasets.official.common import Entry, draw_clip, first_visible, image_size, mask_entry, mask_targets
from mmlvs.datasets.official.sa2va import evaluation_view, training_view
from mmlvs.datasets.ref_youtube_vos import videos_of
from mmlvs.datasets.rle_masks import RLEMasks
from mmlvs.datasets.transforms.text import clean_text

SET = 'mevis'
REVERSE_PROBABILITY = 0.3


@dataclass(frozen=True)
class Row:
    """A training sample: an expression, its instances (keys of the mask file, as text) and a start frame."""

    video: str
    exp: str
    obj_id: tuple[int, ...]
    anno_id: tuple[str, ...]
    frames: tuple[str, ...]
    frame_id: int


class Split:
    """The files of one split."""

    def __init__(self, data_root: Path, split: str) -> None:
        self.folder = Path(data_root) / split
        self.videos = videos_of(self.folder / 'meta_expressions.json')
        self.source = RLEMasks(file=self.folder / 'mask_dict.json')

    def rows(self, step: int) -> list[Row]:
        """Samples: for every expression in file order one for each start frame 0, step, 2 step, ..."""
        return [Row(video, row['exp'], tuple(row.get('obj_id') or ()), tuple(str(a) for a in row.get('anno_id') or ()),
                    frames, start)
                for video, entry in self.videos.items() for frames in [tuple(sorted(entry['frames']))]
                for row in entry['expressions'].values() for start in range(0, len(frames), step)]

    def size(self, row: Row) -> list[int]:
        """Height and width of a row's video."""
        return image_size(self.folder / 'JPEGImages' / row.video / f'{row.frames[0]}.jpg')

    def masks(self, row: Row, frames_idx: Sequence[int]) -> list[np.ndarray]:
        """Sums of the instances (H, W) of a row in frames given by position: overlaps count several times."""
        size = self.size(row)
        return [sum((self.source.instance(a, i, size).astype(np.float32) for a in row.anno_id),
                    np.zeros(size, dtype=np.float32)) for i in frames_idx]


def _meta(row: Row) -> Entry:
    return dict(video=row.video, exp=row.exp, obj_id=list(row.obj_id), anno_id=list(row.anno_id), frame_id=row.frame_id)


def _target(files: Split, row: Row, frames_idx: list[int], masks: list[np.ndarray]) -> Entry:
    valid, boxes = mask_targets(masks)
    size = files.size(row)
    return dict(caption=clean_text(row.exp), frames_idx=frames_idx, valid=valid, orig_size=size, boxes=boxes,
                masks=[mask_entry(mask) for mask in masks], imgs_shape=[len(frames_idx), 3, *size])


def _single(files: Split, row: Row) -> Entry:
    """Item of one frame; one that shows no instance is drawn anew by the official class, so only its row is told."""
    masks = files.masks(row, [row.frame_id])
    if not masks[0].any():
        return {k: v for k, v in _meta(row).items() if k != 'obj_id'} | dict(resampled=True)
    return _meta(row) | _target(files, row, [row.frame_id], masks)


@register_view(SET, 'referdino')
def referdino(data_root: Path, *, split: str | None = None, num_frames: int | None = None,
              limit: int | None = None) -> dict[str, Any]:
    """ReferDINO's class without transform: single frames, and clips of 6 frames with start frames every 4, drawn under
    the seed ``index`` (of Python and of numpy, whose draw decides whether the clip runs backwards).

    With ``num_frames`` n > 1: clips of n frames, start frames every 4.
    """
    files = Split(data_root, split or 'train')
    out: dict[str, Any] = {'class': 'ReferDINO MeViSDataset (train), identity transform', 'len': {}}
    for n, step in [(1, 1), (6, 4)] if num_frames is None else [(num_frames, 1 if num_frames == 1 else 4)]:
        rows = files.rows(step)
        chosen = range(len(rows[:limit]))
        out['len'][f'{n},{step}'] = len(rows)
        if n == 1:
            out['num_frames_1'] = [_single(files, rows[index]) for index in chosen]
        else:
            out[f'num_frames_{n}_sampling_step_{step}_seeded'] = [_seeded(files, rows, index, n) for index in chosen]
    return out


def _seeded(files: Split, rows: list[Row], index: int, num_frames: int) -> Entry:
    generator, numpy_generator = random.Random(index), np.random.RandomState(index)

    def draw(at: int) -> tuple | None:
        row = rows[at]
        frames_idx = draw_referdino(generator, row.frame_id, len(row.frames), num_frames)
        if numpy_generator.rand() < REVERSE_PROBABILITY:
            frames_idx = frames_idx[::-1]
        masks = files.masks(row, frames_idx)
        return (row, frames_idx, masks) if any(mask.any() for mask in masks) else None

    (row, frames_idx, masks), _ = first_visible(generator, index, len(rows), draw)
    return dict(index=index, python_and_numpy_seed=index) | _meta(row) | _target(files, row, frames_idx, masks)


def draw_referdino(generator: random.Random, start: int, length: int, num_frames: int) -> list[int]:
    """The common clip sampling; what a very short video lacks is drawn with replacement."""
    surplus = num_frames - 3 - length
    if num_frames <= 3 or surplus <= length:
        return draw_clip(generator, start, length, num_frames)
    before, after = generator.randint(1, 3), generator.randint(1, 3)
    frames = [start, max(0, start - before), min(length - 1, start + after)]
    frames += [*generator.choices(range(length), k=surplus), *range(length)]
    return sorted(frames)[:num_frames]


# ---------------------------------------------------------------------------------------------- SAMWISE


@register_view(SET, 'samwise')
def samwise(data_root: Path, *, split: str | None = None, num_frames: int | None = None,
            limit: int | None = None) -> dict[str, Any]:
    """SAMWISE's class without transform, single frames; and a table of its two ways to sample frames.

    ``num_frames`` is ignored: the table holds clips of 3, 4, 5 and 8 frames.
    """
    files = Split(data_root, split or 'valid_u')
    rows = files.rows(1)
    return {'class': 'SAMWISE MeViSDataset (valid_u), identity transform', 'len': len(rows),
            'items': [_single(files, row) for row in rows[:limit]], 'seeded_sampler': sampler_table()}


def sampler_table() -> list[Entry]:
    """Frames by both samplers for videos of 1, 2, 5, 9 and 30 frames, clips of 3, 4, 5 and 8."""
    samplers: dict[str, Callable] = dict(sample_local_frames=draw_samwise_local,
                                         sample_global_frames=draw_samwise_global)
    table = []
    for length in (1, 2, 5, 9, 30):
        for n in (3, 4, 5, 8):
            for start in sorted({0, length // 2, length - 1}):
                for name, sampler in samplers.items():
                    seed = 100 * length + 10 * n + start
                    table.append(dict(sampler=name, video_length=length, num_frames=n, frame_id=start,
                                      random_seed=seed, result=sampler(random.Random(seed), start, length, n)))
    return table


def draw_samwise_global(generator: random.Random, start: int, length: int, num_frames: int) -> list[int]:
    """The common clip sampling; single frames with replacement until a very short video has enough."""
    pool_left = num_frames - 3 - length
    if num_frames <= 3 or pool_left <= 0:
        return draw_clip(generator, start, length, num_frames)
    before, after = generator.randint(1, 3), generator.randint(1, 3)
    frames = [start, max(0, start - before), min(length - 1, start + after)]
    frames += list(range(length))
    while len(frames) < num_frames:
        frames.append(generator.randint(0, length - 1))
    return sorted(frames)[:num_frames]


def draw_samwise_local(generator: random.Random, start: int, length: int, num_frames: int) -> list[int]:
    """Frames near the start frame (specification of the data sets, 3.5)."""
    half = num_frames // 2
    before = range(max(start - num_frames, 0), start)
    after = range(start, min(start + num_frames, length))
    frames = generator.sample(before, min(start, half))
    frames += generator.sample(after, min(length - start - 1, half))
    if len(frames) < num_frames and start not in frames:
        frames.append(start)
    pool = range(max(0, start - 2 * num_frames), min(length, start + 2 * num_frames))
    tries = 0
    while len(frames) < num_frames and tries < 3 * len(pool):
        frame = generator.choice(pool)
        if frame not in frames:
            frames.append(frame)
        tries += 1
    while len(frames) < num_frames:
        frames.append(generator.randint(0, length - 1))
    return sorted(frames)


# ---------------------------------------------------------------------------------------------- Sa2VA


@register_view(SET, 'sa2va_eval')
def sa2va_eval(data_root: Path, *, split: str | None = None, num_frames: int | None = None,
               limit: int | None = None) -> dict[str, Any]:
    """Sa2VA's class of evaluation on ``valid_u`` and ``valid``, as far as they are on disk."""
    root = Path(data_root)
    if split == 'train':
        raise ValueError("split 'train': this reader is for 'valid_u' and 'valid'")
    splits = [split] if split else [s for s in ('valid_u', 'valid') if (root / s / 'meta_expressions.json').is_file()]
    places = {s: (root / s / 'meta_expressions.json', (root / s / 'JPEGImages').joinpath) for s in splits}
    return evaluation_view(places, limit)


@register_view(SET, 'sa2va_train')
def sa2va_train(data_root: Path, *, split: str | None = None, num_frames: int | None = None,
                limit: int | None = None) -> dict[str, Any]:
    """Sa2VA's training list, with masks of all frames."""
    folder = Path(data_root) / (split or 'train')
    return training_view(folder / 'meta_expressions.json', RLEMasks(file=folder / 'mask_dict.json'),
                         (folder / 'JPEGImages').joinpath, limit)
