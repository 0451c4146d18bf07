"""Ref-YouTube-VOS as the official classes of ReferFormer, MTTR and LAVT-RS return it."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mmlvs.datasets.categories import category_number
from mmlvs.datasets.official import register_view
from mmlvs.datasets.official.common import (
    Entry,
    bert_ids,
    distinct,
    draw_clip,
    find_vocabulary,
    first_visible,
    image_size,
    mask_area,
    mask_entry,
    mask_md5,
    mask_targets,
    mean_rgb,
    read_rgb,
    resize_mask_pillow,
)
from mmlvs.datasets.ref_youtube_vos import videos_of
from mmlvs.datasets.transforms.boxes import normalise_boxes, resize_boxes
from mmlvs.datasets.transforms.sampling import consecutive_frames
from mmlvs.datasets.transforms.text import clean_text
from mmlvs.io import read_index_png
from mmlvs.structures.codec import ClipCodec

SET = 'ref-youtube-vos'
LAVT_SIZE, LAVT_TOKENS = (48, 48), 22


@dataclass(frozen=True)
class Row:
    """A training sample: one expression and one start frame; ``frames`` sorted."""

    video: str
    exp_id: str
    exp: str
    object_id: int
    frames: tuple[str, ...]
    frame_id: int


class Split:
    """The files of one split, read as the official code does: file order of videos and expressions."""

    def __init__(self, root: Path, split: str, *, annotations: str = '{root}/meta_expressions/{split}') -> None:
        self.root, self.split = Path(root), split
        self.file = Path(annotations.format(root=root, split=split)) / 'meta_expressions.json'
        self.videos = videos_of(self.file)

    def rows(self, num_frames: int) -> list[Row]:
        """Samples: for every expression one for each start frame 0, n, 2n, ..."""
        self.require_objects()
        return [Row(video, exp_id, row['exp'], int(row['obj_id']), frames, start)
                for video, entry in self.videos.items() for frames in [tuple(sorted(entry['frames']))]
                for exp_id, row in entry['expressions'].items() for start in range(0, len(frames), num_frames)]

    def require_objects(self) -> None:
        """Raise a ValueError if an expression does not name its object."""
        nameless = next((video for video, entry in self.videos.items()
                         if any('obj_id' not in row for row in entry['expressions'].values())), None)
        if nameless is not None:
            raise ValueError(f'{self.file}: expressions of video {nameless!r} name no object, so this reader has no '
                             'samples here; choose the train split')

    def image(self, video: str, frame: str) -> Path:
        """JPEG of a frame."""
        return self.root / self.split / 'JPEGImages' / video / f'{frame}.jpg'

    def index(self, video: str, frame: str) -> np.ndarray:
        """Index map (H, W) of a frame."""
        return read_index_png(self.root / self.split / 'Annotations' / video / f'{frame}.png')

    def masks(self, row: Row, frames_idx: list[int]) -> list[np.ndarray]:
        """Masks (H, W) of a row's object in frames given by position."""
        maps = {i: self.index(row.video, row.frames[i]) for i in set(frames_idx)}
        return [(maps[i] == row.object_id).astype(np.uint8) for i in frames_idx]

    def categories(self) -> dict[str, dict[str, str]]:
        """video -> object id -> category, from ``meta.json``."""
        file = self.root / self.split / 'meta.json'
        return {video: {o: info['category'] for o, info in entry['objects'].items()}
                for video, entry in videos_of(file).items()}


def seeded_clip(split: Split, rows: list[Row], index: int, seed: int, num_frames: int,
                sample: Callable[[random.Random, Row], list[int]]) -> tuple[Row, list[int], list[np.ndarray], bool]:
    """Row, frames, masks of item ``index`` drawn under ``seed``; and whether another row had to be drawn."""
    generator = random.Random(seed)

    def draw(at: int) -> tuple | None:
        frames_idx = sample(generator, rows[at])
        masks = split.masks(rows[at], frames_idx)
        return (rows[at], frames_idx, masks) if any(mask.any() for mask in masks) else None

    (row, frames_idx, masks), again = first_visible(generator, index, len(rows), draw)
    return row, frames_idx, masks, again


# ---------------------------------------------------------------------------------------------- ReferFormer


@register_view(SET, 'referformer')
def referformer(data_root: Path, *, split: str | None = None, num_frames: int | None = None,
                limit: int | None = None) -> dict[str, Any]:
    """ReferFormer's training class without transform, and with its validation transform.

    One frame: full items. 3, 5 and 8 frames (or ``num_frames``): the list of samples, and clips drawn under the seeds
    1000 n + index.
    """
    files = Split(data_root, split or 'train')
    files.require_objects()
    categories = files.categories()
    names = sorted({name for objects in categories.values() for name in objects.values()})
    out: dict[str, Any] = {'class': 'ReferFormer YTVOSDataset, identity transform',
                           'category_ids': {name: category_number(name) for name in names}}
    for n in [1, 3, 5, 8] if num_frames is None else [num_frames]:
        rows = files.rows(n)
        chosen = rows[:limit]
        if n == 1:
            items = [_referformer_item(files, row, categories) for row in chosen]
            out['num_frames_1'] = dict(len=len(rows), items=items)
            out['val_transform'] = [entry for index, row in enumerate(chosen)
                                    if (entry := _validated(files, row, index)) is not None]
            continue
        out[f'num_frames_{n}'] = dict(len=len(rows), metas=[
            dict(video=row.video, obj_id=row.object_id, frame_id=row.frame_id) for row in chosen])
        clips = [_referformer_clip(files, rows, index, n, brief=n == 8) for index in range(len(chosen))]
        if n == 8:
            out['seeded_clips_num_frames_8'] = clips
        else:
            out.setdefault('seeded_clips', []).extend(clips)
    return out


def _referformer_item(files: Split, row: Row, categories: dict) -> Entry:
    category = categories.get(row.video, {}).get(str(row.object_id))
    if category is None:
        raise ValueError(f'{files.root / files.split / "meta.json"}: video {row.video!r} has no object '
                         f'{row.object_id}, which an expression names')
    item = dict(video=row.video, exp=row.exp, obj_id=row.object_id, frames=list(row.frames), frame_id=row.frame_id,
                category=category)
    masks = files.masks(row, [row.frame_id])
    if not masks[0].any():
        return item | dict(resampled=True)
    valid, boxes = mask_targets(masks)
    frame = read_rgb(files.image(row.video, row.frames[row.frame_id]))
    size = list(frame.shape[:2])
    return item | dict(caption=clean_text(row.exp), frames_idx=[row.frame_id], valid=valid, boxes=boxes,
                       masks=[mask_entry(mask) for mask in masks], orig_size=size, labels=[category_number(category)],
                       image_shape=[1, 3, *size], mean_rgb=mean_rgb([frame]))


def _validated(files: Split, row: Row, index: int) -> Entry | None:
    """An item of one frame after the validation transform; None if its object is absent."""
    mask = files.masks(row, [row.frame_id])[0]
    if not mask.any():
        return None
    codec = ClipCodec(short_side=360, max_long_side=640)
    old = tuple(image_size(files.image(row.video, row.frames[row.frame_id])))
    size = codec.target_size(old)
    boxes = np.array(mask_targets([mask])[1], dtype=np.float32)
    relative = normalise_boxes(resize_boxes(boxes, old, size), size)
    return dict(index=index, imgs_shape=[1, 3, *size], size=list(size), boxes_cxcywh=relative.tolist(),
                mask_areas=[mask_area(codec.resize_masks(mask, size))])


def _referformer_clip(files: Split, rows: list[Row], index: int, num_frames: int, *, brief: bool) -> Entry:
    seed = 1000 * num_frames + index
    entry: Entry = {} if brief else dict(num_frames=num_frames)
    try:
        row, frames_idx, masks, again = seeded_clip(
            files, rows, index, seed, num_frames,
            lambda generator, r: draw_clip(generator, r.frame_id, len(r.frames), num_frames))
    except ValueError as error:  # the official sampling fails for a very short video
        return entry | dict(index=index, random_seed=seed, error=str(error))
    entry |= dict(index=index, random_seed=seed, frames_idx=frames_idx, caption=clean_text(row.exp), resampled=again)
    if not brief:
        entry |= dict(valid=mask_targets(masks)[0], mask_areas=[mask_area(mask) for mask in masks])
    return entry


# ---------------------------------------------------------------------------------------------- MTTR


@register_view(SET, 'mttr')
def mttr(data_root: Path, *, split: str | None = None, num_frames: int | None = None,
         limit: int | None = None) -> dict[str, Any]:
    """MTTR's class: windows of the training split, whole videos of the valid split without those of test.

    Subsets ``train/window4``, ``train/window12`` and ``test/window12``, or those of ``num_frames``.
    """
    chosen = dict(train=['train'], valid=['test'], test=['test'])[split] if split else ['train', 'test']
    subsets = {}
    for subset in chosen:
        for window in ([4, 12] if subset == 'train' else [12]) if num_frames is None else [num_frames]:
            items = (_windows(Split(data_root, 'train'), window) if subset == 'train' else _whole_videos(data_root))
            subsets[f'{subset}/window{window}'] = dict(len=len(items), items=[build() for build in items[:limit]])
    return {'class': 'MTTR ReferYouTubeVOSDataset', 'subsets': subsets}


def _windows(files: Split, window: int) -> list[Callable[[], Entry]]:
    items: list[Callable[[], Entry]] = []
    for video, entry in files.videos.items():
        frames = sorted(entry['frames'])
        maps = {frame: files.index(video, frame) for frame in frames}
        for exp_id, row in entry['expressions'].items():
            for start in range(0, len(frames), window):
                names = [frames[p] for p in consecutive_frames(start, len(frames), window)]
                if any((maps[name] == int(row['obj_id'])).any() for name in names):
                    items.append(partial(_window, files, video, names, row | dict(exp_id=exp_id), maps))
    return items


def _window(files: Split, video: str, names: list[str], expression: dict, maps: dict[str, np.ndarray]) -> Entry:
    present = [value for value in distinct(*(maps[name] for name in names)) if value != 0]
    masks = [maps[name] == int(expression['obj_id']) for name in names]
    return dict(video=video, frames=names, expression=expression, caption=clean_text(expression['exp']),
                frames_shape=[len(names), 3, *image_size(files.image(video, names[0]))],
                referred_instance_idx=present.index(int(expression['obj_id'])), num_instances=len(present),
                referred_area=[mask_area(mask) for mask in masks],
                is_ref_inst_visible=[bool(mask.any()) for mask in masks],
                referred_md5=[mask_md5(mask) for mask in masks])


def _whole_videos(data_root: Path) -> list[Callable[[], Entry]]:
    files = Split(data_root, 'valid')
    test = Path(data_root) / 'meta_expressions' / 'test' / 'meta_expressions.json'
    without = set(videos_of(test)) if test.is_file() else set()
    return [partial(_whole_video, files, video, sorted(entry['frames']), row | dict(exp_id=exp_id))
            for video, entry in files.videos.items() if video not in without
            for exp_id, row in entry['expressions'].items()]


def _whole_video(files: Split, video: str, names: list[str], expression: dict) -> Entry:
    size = image_size(files.image(video, names[0]))
    return dict(video=video, frames=names, expression=expression, frames_shape=[len(names), 3, *size],
                caption=clean_text(expression['exp']),
                metadata=dict(video_id=video, frame_indices=names, resized_frame_size=size, original_frame_size=size,
                              exp_id=expression['exp_id']))


# ---------------------------------------------------------------------------------------------- LAVT-RS


@register_view(SET, 'lavt_rs')
def lavt_rs(data_root: Path, *, split: str | None = None, num_frames: int | None = None,
            limit: int | None = None) -> dict[str, Any]:
    """LAVT-RS's class with frames of 48 x 48, clips of 8 (or ``num_frames``) drawn under the seed ``index``.

    Token ids need the vocabulary of bert-base-uncased (:func:`find_vocabulary`).
    """
    n = num_frames or 8
    files = Split(data_root, split or 'train')
    rows = files.rows(n)
    vocabulary = find_vocabulary(data_root)
    items = []
    for index in range(len(rows[:limit])):
        row, frames_idx, masks, _ = seeded_clip(
            files, rows, index, index, n,
            lambda generator, r: draw_clip(generator, r.frame_id, len(r.frames), n, repeat=True))
        small = [resize_mask_pillow(mask, LAVT_SIZE) for mask in masks]
        ids, length = bert_ids(row.exp, LAVT_TOKENS, vocabulary)
        items.append(dict(index=index, random_seed=index, video=row.video, frame_id=row.frame_id, frames_idx=frames_idx,
                          valid=mask_targets(masks)[0], masks48=[mask_entry(mask, values=False) for mask in small],
                          orig_size=list(masks[0].shape), imgs_shape=[n, 3, *LAVT_SIZE], caption_ids=ids,
                          caption_mask_sum=length))
    return {'class': 'LAVT-RS YTVOSDataset (train folder), img_size 48', f'num_frames_{n}_seeded': items,
            'len': len(rows)}
