"""A2D-Sentences as the official classes of MTTR, ReferFormer and LAVT-RS return it."""

import random
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from mmlvs.datasets.a2d_sentences import A2DSentencesDataset, Row, build_list
from mmlvs.datasets.frame_files import decode_frames
from mmlvs.datasets.mask_sources import read_h5
from mmlvs.datasets.official import register_view
from mmlvs.datasets.official.common import (
    Entry,
    bert_ids,
    draw_clip,
    find_vocabulary,
    first_visible,
    mask_area,
    mask_entry,
    mask_targets,
    mean_rgb,
    resize_mask_pillow,
    resized_fields,
)
from mmlvs.datasets.transforms.sampling import centred_window
from mmlvs.datasets.transforms.text import clean_text

SET = 'a2d_sentences'
LAVT_SIDE, LAVT_TOKENS, LAVT_SIZE = (48, 48), 22, [480, 480]


class Files:
    """The rows of a subset in the order of the official list, and what lies on disk for each."""

    def __init__(self, data_root: Path, subset: str) -> None:
        self.dataset = A2DSentencesDataset(data_root=data_root, split=subset, test_mode=True)
        self.rows = self.dataset.rows

    def length(self, row: Row) -> int:
        """Number of decoded frames of a row's video."""
        return len(self.dataset.list_frames(row[1]))

    def frames(self, row: Row, positions: list[int]) -> np.ndarray:
        """Frames (T, H, W, 3) at positions from 0."""
        paths = [str(self.dataset.frame_path(row[1], f'{p + 1:05d}')) for p in positions]
        return np.stack(_decoded(tuple(paths)))

    def masks(self, row: Row, instances: list[int] | None = None) -> np.ndarray:
        """Masks (N, H, W) of the annotated frame: of all its instances, or of those asked for."""
        source, frame = self.dataset.mask_source(), f'{row[2]:05d}'
        if instances is None:
            instances = self.instances(row)
        return source.read(row[1], frame, row[2] - 1, [str(i) for i in instances]).objects

    def instances(self, row: Row) -> list[int]:
        """Ids of the instances of the annotated frame, in the order of the file."""
        file = self.dataset.mask_source().file_of(row[1], f'{row[2]:05d}')
        return [int(i) for i in read_h5(file, 'instance')[0].reshape(-1)]


@lru_cache(maxsize=64)
def _decoded(paths: tuple[str, ...]) -> list[np.ndarray]:
    frames = decode_frames(paths)
    return [frames[path] for path in paths]


def image_id(row: Row) -> str:
    """Key of a sample in the COCO ground truth."""
    return f'v_{row[1]}_f_{row[2]}_i_{row[3]}'


@register_view(SET, 'mttr')
def mttr(data_root: Path, *, split: str | None = None, num_frames: int | None = None,
         limit: int | None = None) -> dict[str, Any]:
    """MTTR's class: windows of 8 and 5 frames (or ``num_frames``), all instances of the annotated frame, and the lists
    that it builds from the text annotations."""
    chosen = ['train', 'test'] if split is None else ['train' if split == 'train' else 'test']
    subsets = {}
    for subset in chosen:
        files = Files(data_root, subset)
        for window in [8, 5] if num_frames is None else [num_frames]:
            subsets[f'{subset}/window{window}'] = dict(
                len=len(files.rows), items=[_mttr_item(files, row, window) for row in files.rows[:limit]])
    return {'class': 'MTTR A2DSentencesDataset', 'subsets': subsets,
            'settings': dict(horizontal_flip_augmentations=False, raw='resize_and_crop_augmentations False',
                             resized='short side 320, long side at most 576'),
            'json_written': {subset: [list(row) for row in build_list(Path(data_root), subset)] for subset in chosen}}


def _mttr_item(files: Files, row: Row, window: int) -> Entry:
    positions = centred_window(row[2] - 1, files.length(row), window)
    frames, instances = files.frames(row, positions), files.instances(row)
    masks = files.masks(row, instances)
    boxes = np.array(mask_targets(list(masks))[1], dtype=np.float32)
    small = resized_fields(masks, boxes, window, short_side=320, max_long_side=576)
    return dict(annotation=list(row), caption=clean_text(row[0]), video_frames=files.length(row),
                window_0based=positions, frames_shape=[window, 3, *frames.shape[1:3]],
                annotated_position=[window // 2], masks=[mask_entry(mask, values=False) for mask in masks],
                referred_instance_idx=instances.index(row[3]), image_id=image_id(row), orig_size=list(masks.shape[1:]),
                area=[float(mask_area(mask)) for mask in masks], resized_frames_shape=small['imgs_shape'],
                resized_mask_areas=small['mask_areas'], mean_rgb_0_255=mean_rgb(list(frames)))


@register_view(SET, 'referformer')
def referformer(data_root: Path, *, split: str | None = None, num_frames: int | None = None,
                limit: int | None = None) -> dict[str, Any]:
    """ReferFormer's class: validation windows of 5 and 6 frames (or ``num_frames``) of the test subset, and training
    clips of 5 frames drawn under the seed ``index``."""
    out: dict[str, Any] = {'class': 'ReferFormer A2DSentencesDataset, identity transform'}
    if split != 'train':
        files = Files(data_root, 'test')
        out['val'] = {}
        for n in [5, 6] if num_frames is None else [num_frames]:
            items = [_referformer_item(files, row, centred_window(row[2] - 1, files.length(row), n), resized=True)
                     for row in files.rows[:limit]]
            out['val'][f'num_frames_{n}'] = dict(len=len(files.rows), items=items)
    if split in (None, 'train'):
        files = Files(data_root, 'train')
        n = num_frames or 5
        out['train_seeded'] = [_seeded_item(files, index, n) for index in range(len(files.rows[:limit]))]
    return out


def _referformer_item(files: Files, row: Row, positions: list[int], *, resized: bool) -> Entry:
    mask = files.masks(row, [row[3]])
    item = dict(caption=clean_text(row[0]), frames_idx=positions, valid_indices=[positions.index(row[2] - 1)],
                image_id=image_id(row), orig_size=list(mask.shape[1:]), labels=[0])
    item = item | dict(annotation=list(row)) if resized else item
    if not mask.any():
        return item | dict(resampled=True)
    valid, boxes = mask_targets(list(mask))
    entry = item | dict(valid=valid, boxes=boxes, masks=[mask_entry(mask[0])],
                        image_shape=[len(positions), 3, *mask.shape[1:]])
    if resized:
        fields = resized_fields(mask, np.array(boxes, dtype=np.float32), len(positions))
        entry['val_transform'] = fields
    return entry


def _seeded_item(files: Files, index: int, num_frames: int) -> Entry:
    generator = random.Random(index)

    def draw(at: int) -> tuple[Row, list[int]] | None:
        row = files.rows[at]
        positions = draw_clip(generator, row[2] - 1, files.length(row), num_frames, single=False)
        return (row, positions) if files.masks(row, [row[3]]).any() else None

    (row, positions), _ = first_visible(generator, index, len(files.rows), draw)
    entry = _referformer_item(files, row, positions, resized=False)
    entry.pop('image_shape')
    return entry | dict(index=index, random_seed=index)


@register_view(SET, 'lavt_rs')
def lavt_rs(data_root: Path, *, split: str | None = None, num_frames: int | None = None,
            limit: int | None = None) -> dict[str, Any]:
    """LAVT-RS's class: validation windows of 8 and 5 frames (or ``num_frames``), with 48 in place of 480 pixels.

    ``size`` is 480 x 480 whatever the size of the frames.
    """
    files = Files(data_root, 'train' if split == 'train' else 'test')
    vocabulary = find_vocabulary(data_root)
    clips = {}
    for n in [8, 5] if num_frames is None else [num_frames]:
        items = [_lavt_item(files, row, n, vocabulary) for row in files.rows[:limit]]
        clips[f'clip_length_{n}'] = dict(len=len(files.rows), items=items)
    return {'class': 'LAVT-RS A2DSentencesDataset, img_size 48',
            'note': 'annotations were laid out under ./data/A2D/Release as this code expects', 'val': clips}


def _lavt_item(files: Files, row: Row, num_frames: int, vocabulary: Path) -> Entry:
    positions = centred_window(row[2] - 1, files.length(row), num_frames)
    mask = files.masks(row, [row[3]])[0]
    ids, length = bert_ids(clean_text(row[0]), LAVT_TOKENS, vocabulary)
    return dict(annotation=list(row), imgs_shape=[num_frames, 3, *LAVT_SIDE], frames_idx=positions,
                valid_indices=[positions.index(row[2] - 1)], caption=clean_text(row[0]), orig_size=list(mask.shape),
                masks48=[mask_entry(resize_mask_pillow(mask, LAVT_SIDE), values=False)], size=LAVT_SIZE,
                image_id=image_id(row), input_ids=ids, attention_sum=length)
