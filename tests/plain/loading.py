"""Plain form of reading a clip: one item for each sentence, every frame and mask by itself, with Pillow.

This is how the official loaders read, and what reading a clip once with all its sentences is held against, in tests and
in the benchmark of data sets.
"""

import json
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from PIL import Image
from pycocotools import mask as coco

from mmlvs.datasets import IndexPNG, ObjectPNG, RLEMasks, VideoExpressionDataset

Item = dict[str, torch.Tensor]


def plain_form(dataset: VideoExpressionDataset) -> Callable[[int], list[Item]]:
    """Function from the index of an item in test mode to one plain item for each of its sentences.

    A plain item has ``img`` (T, 3, H, W) uint8, ``masks`` (T, H, W) bool, ``boxes`` (T, 4), ``valid`` (T,).
    """
    source = dataset.mask_source()

    def read(index: int) -> list[Item]:
        plan = dataset.items[index]
        video = dataset.videos[plan.video]
        return [_item(dataset, source, video, video.expressions[e], range(plan.start, plan.stop))
                for e in plan.expressions]
    return read


def _item(dataset, source, video, expression, times: range) -> Item:
    frames, masks, boxes, valid = [], [], [], []
    for t in times:
        frame = np.array(Image.open(dataset.frame_path(video.video_id, video.frame_ids[t])).convert('RGB'))
        mask = np.zeros(frame.shape[:2], dtype=bool)
        for object_id in expression.object_ids:
            mask |= _mask(source, video.video_id, video.frame_ids[t], t, object_id, frame.shape[:2])
        rows, cols = np.where(mask.any(axis=1))[0], np.where(mask.any(axis=0))[0]
        boxes.append([cols[0], rows[0], cols[-1], rows[-1]] if len(rows) else [0, 0, 0, 0])
        valid.append(len(rows) > 0)
        frames.append(frame)
        masks.append(mask)
    img = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).contiguous()  # T H W 3 -> T 3 H W
    return dict(img=img, masks=torch.from_numpy(np.stack(masks)), boxes=torch.tensor(boxes), valid=torch.tensor(valid))


def _mask(source, video: str, frame: str, t: int, object_id: str, size: tuple[int, int]) -> np.ndarray:
    if isinstance(source, IndexPNG):
        return np.array(Image.open(source.file_of(video, frame))) == int(object_id)
    if isinstance(source, ObjectPNG):
        file = source.file_of(video, object_id, frame)
        return np.array(Image.open(file)) > 0 if file.is_file() else np.zeros(size, dtype=bool)
    if isinstance(source, RLEMasks):
        code = _codes(source.file)[object_id][t]
        return np.zeros(size, dtype=bool) if code is None else coco.decode(code).astype(bool)
    raise TypeError(f'no plain form of {type(source).__name__}')


@lru_cache(maxsize=2)
def _codes(file) -> dict:
    return json.loads(file.read_text())
