"""Ref-DAVIS17 as ReferFormer's converter and class, and as the reader of the DAVIS 2017 toolkit, return it."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np

from mmlvs.datasets.categories import REF_DAVIS_CATEGORIES, category_number
from mmlvs.datasets.official import register_view
from mmlvs.datasets.official.common import (
    Entry,
    draw_clip,
    first_visible,
    image_size,
    mask_area,
    mask_md5,
    mask_targets,
)
from mmlvs.datasets.ref_davis import TASKS, convert_annotations, list_sequences, load_sequence
from mmlvs.datasets.transforms.text import clean_text
from mmlvs.io import read_index_png

SET = 'ref-davis'
SPLITS = ('train', 'valid')
NUM_FRAMES = 3


class Files:
    """The files of a split, raw or converted: entries of the two json files, folders of frames and masks."""

    def __init__(self, data_root: Path, split: str) -> None:
        root = Path(data_root)
        if (root / 'meta_expressions').is_dir():
            names = (f'meta_expressions/{split}/meta_expressions.json', f'{split}/meta.json')
            self.expressions, self.meta = (json.loads((root / name).read_text(encoding='utf-8')) for name in names)
            self.images, self.masks = root / split / 'JPEGImages', root / split / 'Annotations'
        else:
            self.expressions, self.meta = convert_annotations(root, split, strict=False)
            self.images, self.masks = root / 'DAVIS/JPEGImages/480p', root / 'DAVIS' / TASKS['unsupervised'] / '480p'
        self.videos = self.expressions['videos']

    def category(self, video: str, object_id: str) -> str:
        """Category of an object."""
        return self.meta['videos'][video]['objects'][object_id]['category']

    def index(self, video: str) -> np.ndarray:
        """Index maps (T, H, W) of a video's frames."""
        return np.stack([read_index_png(self.masks / video / f'{f}.png') for f in self.videos[video]['frames']])

    def rows(self, num_frames: int) -> list[Entry]:
        """Samples: for every expression one for each start frame 0, n, 2n, ..."""
        return [dict(video=video, exp=row['exp'], obj_id=int(row['obj_id']), frame_id=start,
                     category=self.category(video, row['obj_id']))
                for video, entry in self.videos.items() for row in entry['expressions'].values()
                for start in range(0, len(entry['frames']), num_frames)]


def _splits(split: str | None) -> list[str]:
    return list(SPLITS) if split is None else ['train' if split == 'train' else 'valid']


@register_view(SET, 'referformer')
def referformer(data_root: Path, *, split: str | None = None, num_frames: int | None = None,
                limit: int | None = None) -> dict[str, Any]:
    """ReferFormer's class on the converted set: samples, areas of all objects, and clips of 3 frames (or
    ``num_frames``) drawn under the seed ``index``."""
    n = num_frames or NUM_FRAMES
    sets, moved, names = {}, {}, set()
    for name in _splits(split):
        files = Files(data_root, name)
        rows = files.rows(n)
        maps = {video: files.index(video) for video in files.videos}
        moved[name] = sorted(files.videos)
        names |= {row['category'] for row in rows}
        sets[name] = dict(len=len(rows), metas=rows[:limit], tracks={v: _track(files, v, maps[v]) for v in maps},
                          seeded_clips=[_seeded(rows, maps, index, n) for index in range(len(rows[:limit]))])
    images = Path(data_root) / 'DAVIS' / 'JPEGImages' / '480p'
    taken = {video for videos in moved.values() for video in videos}
    left = sorted(f.name for f in images.iterdir() if f.name not in taken) if images.is_dir() and split is None else []
    return {'class': f'ReferFormer convert_davis_to_ytvos + DAVIS17Dataset (identity transform, num_frames {n})',
            'moved': moved, 'left_in_DAVIS_JPEGImages_480p': left, 'sets': sets,
            'category_ids': {c: category_number(c, REF_DAVIS_CATEGORIES) for c in sorted(names)}}


def _track(files: Files, video: str, index: np.ndarray) -> Entry:
    entry = files.videos[video]
    objects = sorted({row['obj_id'] for row in entry['expressions'].values()}, key=int)
    return dict(frames=entry['frames'], size=list(index.shape[1:]),
                areas={o: [int((frame == int(o)).sum()) for frame in index] for o in objects},
                void_255=[int((frame == 255).sum()) for frame in index])


def _seeded(rows: list[Entry], maps: dict[str, np.ndarray], index: int, num_frames: int) -> Entry:
    generator = random.Random(index)

    def draw(at: int) -> tuple[Entry, list[int], np.ndarray] | None:
        row = rows[at]
        video = maps[row['video']]
        frames = draw_clip(generator, row['frame_id'], len(video), num_frames, single=False)
        masks = (video[frames] == row['obj_id']).astype(np.uint8)
        return (row, frames, masks) if masks.any() else None

    (row, frames, masks), _ = first_visible(generator, index, len(rows), draw)
    number = category_number(row['category'], REF_DAVIS_CATEGORIES)
    return dict(index=index, random_seed=index, frames_idx=frames, caption=clean_text(row['exp']),
                valid=mask_targets(list(masks))[0], labels=[number] * num_frames,
                mask_areas=[mask_area(mask) for mask in masks])


@register_view(SET, 'converted_files')
def converted(data_root: Path, *, split: str | None = None, num_frames: int | None = None,
              limit: int | None = None) -> dict[str, Any]:
    """The json files that the official converter writes."""
    out = {}
    for name in _splits(split):
        files = Files(data_root, name)
        out[f'meta_expressions/{name}/meta_expressions.json'] = files.expressions
        out[f'{name}/meta.json'] = files.meta
    return out


@register_view(SET, 'davis_class')
def toolkit(data_root: Path, *, split: str | None = None, num_frames: int | None = None,
            limit: int | None = None) -> dict[str, Any]:
    """The reader of the DAVIS 2017 toolkit, both tasks and both splits."""
    davis = Path(data_root) / 'DAVIS'
    sets = {}
    for task in TASKS:
        for name in _splits(split):
            listed = 'train' if name == 'train' else 'val'
            sets[f'{task}/{listed}'] = {sequence: _sequence(davis, sequence, task)
                                        for sequence in list_sequences(davis, name)[:limit]}
    return {'class': 'davis2017-evaluation DAVIS', 'sets': sets}


def _sequence(davis: Path, name: str, task: str) -> Entry:
    ids, masks, void = load_sequence(davis, name, task)
    images = sorted((davis / 'JPEGImages' / '480p' / name).glob('*.jpg'))
    return dict(ids=ids, images_shape=[len(images), *image_size(images[0]), 3],
                masks_shape_objects_frames_h_w=list(masks.shape),
                areas=[[mask_area(mask) for mask in track] for track in masks],
                md5=[[mask_md5(mask) for mask in track] for track in masks],
                void_area=[int(frame.sum()) for frame in void])
