"""The two readers of Sa2VA for sets with run-length codes (MeViS, ReVOS)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mmlvs.datasets.official.common import distinct, image_size, mask_area, mask_md5
from mmlvs.datasets.ref_youtube_vos import videos_of
from mmlvs.datasets.rle_masks import RLEMasks

FolderOf = Callable[[str], Path]
TEMPLATE = '<image>\nPlease segment {}.'


def prompt(expression: str) -> str:
    """Text that the model is given: a question is used as it is."""
    return expression if '?' in expression else TEMPLATE.format(expression)


def evaluation_view(splits: dict[str, tuple[Path, FolderOf]], limit: int | None) -> dict[str, Any]:
    """Class of evaluation: one item for each expression, with all frames; expression ids sorted as text.

    Args:
        splits: name -> (annotation file, function from a video to its folder of frames).
        limit: items of a split; None = all.
    """
    out: dict[str, Any] = {
        'class': 'Sa2VA RefVOSDataset (evaluation)',
        'note': 'text_prompt is the fixed template around the expression; an expression holding ? is used as is'}
    for name, (file, folder_of) in splits.items():
        videos = videos_of(file)
        keys = [(video, exp_id) for video, entry in videos.items() for exp_id in sorted(entry['expressions'])]
        items = []
        for video, exp_id in keys[:limit]:
            frames = sorted(videos[video]['frames'])
            height, width = image_size(folder_of(video) / f'{frames[0]}.jpg')
            items.append(dict(video_id=video, exp_id=exp_id, frames=frames, length=len(frames), images=len(frames),
                              text_prompt=prompt(videos[video]['expressions'][exp_id]['exp']), ori_height=height,
                              ori_width=width))
        out[name] = dict(len=len(keys), videos=list(videos), items=items)
    return out


def training_view(file: Path, source: RLEMasks, folder_of: FolderOf, limit: int | None) -> dict[str, Any]:
    """Training class: running numbers of the expressions of each video (ids sorted as text), masks of all frames.

    Instances are joined with "or". An expression without an instance has empty masks, whose size the official decoder
    takes from another expression: only their areas are told.
    """
    numbers: dict[str, list[int]] = {}
    items: list[dict] = []
    for video, entry in videos_of(file).items():
        frames = sorted(entry['frames'])
        for exp_id in sorted(entry['expressions']):
            row = entry['expressions'][exp_id]
            numbers.setdefault(video, []).append(len(items))
            items.append(dict(video=video, exp_id=exp_id, exp=row['exp'], obj_id=row.get('obj_id') or [],
                              mask_anno_id=row.get('anno_id') or [], length=len(frames)))
    for item in items[:limit]:
        if not item['mask_anno_id']:
            item['areas'] = [0] * item['length']
            continue
        masks = _joined(source, item, folder_of)
        item |= dict(areas=[mask_area(mask) for mask in masks], values=distinct(*masks),
                     md5=[mask_md5(mask) for mask in masks])
    return {'class': 'Sa2VA VideoReVOSDataset / VideoMeVISDataset annotation reading and decode_mask over all frames',
            'vid2metaid': numbers, 'items': items[:limit]}


def _joined(source: RLEMasks, item: dict, folder_of: FolderOf) -> list[np.ndarray]:
    """Union (H, W) uint8 of an item's instances in every frame."""
    keys = [str(key) for key in item['mask_anno_id']]
    size = source.size_of(keys) or tuple(image_size(min(folder_of(item['video']).iterdir())))
    return [np.maximum.reduce([source.instance(key, t, size) for key in keys]) for t in range(item['length'])]
