"""Plain form of reading a clip: one item for each sentence, every frame and mask by itself, with Pillow.

This is how the official loaders read, and what reading a clip once with all its sentences is held against, in tests and
in the benchmark of data sets. Frames of video files, which Pillow cannot open, come from decoding the file anew for
each item up to the last frame it needs.
"""

import json
from collections.abc import Callable
from functools import lru_cache

import h5py
import numpy as np
import torch
from PIL import Image
from pycocotools import mask as coco
from scipy.io import loadmat

from mmlvs.datasets import IndexPNG, ObjectPNG, RLEMasks, VideoExpressionDataset
from mmlvs.datasets.frame_files import split_frame_path
from mmlvs.datasets.mask_sources import A2DMasks, CocoMasks, PuppetMasks
from mmlvs.datasets.transforms.sampling import centred_window
from mmlvs.io import iter_frames

Item = dict[str, torch.Tensor]


def plain_form(dataset: VideoExpressionDataset) -> Callable[[int], list[Item]]:
    """Function from the index of an item in test mode to one plain item for each of its sentences.

    A plain item has ``img`` (T, 3, H, W) uint8, ``masks`` (T, H, W) bool, ``boxes`` (T, 4), ``valid`` (T,). Items of a
    key frame are windows of ``clip_length`` frames around it; the other frames have no mask.
    """
    source = dataset.mask_source() if dataset.with_masks else None

    def read(index: int) -> list[Item]:
        plan = dataset.items[index]
        video = dataset.videos[plan.video]
        frame_ids = dataset.frame_ids_of(video)
        times, key = list(range(plan.start, plan.stop)), None
        if dataset.key_frame_items:
            times = centred_window(plan.start, len(frame_ids), dataset.clip_length or 1)
            key = times.index(plan.start)
        return [_item(dataset, source, video, video.expressions[e], frame_ids, times, key) for e in plan.expressions]

    return read


def _item(dataset, source, video, expression, frame_ids, times: list[int], key: int | None) -> Item:
    frames = _frames([dataset.frame_path(video.video_id, frame_ids[t]) for t in times])
    masks, boxes, valid = [], [], []
    for k, t in enumerate(times):
        mask = np.zeros(frames[k].shape[:2], dtype=bool)
        if source is not None and key in (None, k):
            for object_id in expression.object_ids:
                mask |= _mask(source, video.video_id, frame_ids[t], t, object_id, mask.shape)
        rows, cols = np.where(mask.any(axis=1))[0], np.where(mask.any(axis=0))[0]
        boxes.append([cols[0], rows[0], cols[-1], rows[-1]] if len(rows) else [0, 0, 0, 0])
        valid.append(len(rows) > 0)
        masks.append(mask)
    img = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).contiguous()  # T H W 3 -> T 3 H W
    return dict(img=img, masks=torch.from_numpy(np.stack(masks)), boxes=torch.tensor(boxes), valid=torch.tensor(valid))


def _frames(paths: list) -> list[np.ndarray]:
    places = [split_frame_path(path) for path in paths]
    if places[0][1] is None:
        return [np.array(Image.open(file).convert('RGB')) for file, _ in places]
    last, decoded = max(index for _, index in places), []
    for frame in iter_frames(places[0][0]):
        decoded.append(frame)
        if len(decoded) > last:
            break
    return [decoded[index] for _, index in places]


def _mask(source, video: str, frame: str, t: int, object_id: str, size: tuple[int, int]) -> np.ndarray:
    if isinstance(source, IndexPNG):
        return np.array(Image.open(source.file_of(video, frame))) == int(object_id)
    if isinstance(source, ObjectPNG):
        file = source.file_of(video, object_id, frame)
        return np.array(Image.open(file)) > 0 if file.is_file() else np.zeros(size, dtype=bool)
    if isinstance(source, RLEMasks):
        codes = _codes(source.file)[object_id]
        code = codes[t] if t < len(codes) else None
        return np.zeros(size, dtype=bool) if code is None else coco.decode(code).astype(bool)
    if isinstance(source, A2DMasks):
        with h5py.File(source.file_of(video, frame)) as content:
            masks, ids = np.asarray(content['reMask']), np.asarray(content['instance']).reshape(-1).tolist()
        return (masks if masks.ndim == 2 else masks[ids.index(int(object_id))]).T > 0  # W H -> H W
    if isinstance(source, PuppetMasks):
        return loadmat(source.files[video])['part_mask'][:, :, int(frame) - 1] > 0
    if isinstance(source, CocoMasks):
        segmentation = source.annotations[object_id]['segmentation']
        codes = coco.frPyObjects(segmentation, *size)
        return coco.decode(codes if isinstance(codes, list) else [codes]).any(axis=2)
    raise ValueError(f'no plain form of {type(source).__name__}')


@lru_cache(maxsize=2)
def _codes(file) -> dict:
    return json.loads(file.read_text())
