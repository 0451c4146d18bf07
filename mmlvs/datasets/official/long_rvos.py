"""Long-RVOS as its official training class returns it."""

import random
from pathlib import Path
from typing import Any

import numpy as np

from mmlvs.datasets.long_rvos import group_starts, motion_file, read_frame_types
from mmlvs.datasets.official import register_view
from mmlvs.datasets.official.common import Entry, first_visible, image_size, mask_entry, mask_targets
from mmlvs.datasets.png_masks import ObjectPNG
from mmlvs.datasets.ref_youtube_vos import videos_of
from mmlvs.datasets.transforms.text import clean_text

MOTIONS_PER_KEY = 3


@register_view('long_rvos', 'long_rvos')
def long_rvos(data_root: Path, *, split: str | None = None, num_frames: int | None = None,
              limit: int | None = None) -> dict[str, Any]:
    """LongRVOSDataset without transform, drawn under the seed ``index``: 1 key frame and 2, one repetition of an
    expression for each key frame or each two.

    With ``num_frames`` n: n key frames, one repetition for each n of them; for n = 6 each 10, as its training has it.
    """
    split = split or 'train'
    settings = [(1, 1), (2, 2)] if num_frames is None else [(num_frames, 10 if num_frames == 6 else num_frames)]
    sets = {f'num_frames_{n}_sampling_step_{step}': _items(Path(data_root), split, n, step, limit)
            for n, step in settings}
    return {'class': 'Long_RVOS LongRVOSDataset (train), identity transform; run from the sample folder so that '
                     'motions/ resolves', 'sets': sets}


def _items(root: Path, split: str, num_frames: int, step: int, limit: int | None) -> Entry:
    folder = root / split
    types = read_frame_types(root, split)
    rows = []
    for video, entry in videos_of(folder / 'meta_expressions.json').items():
        if video not in types:
            raise ValueError(f'motions/{split}/frame_types.json under {root} lacks video {video!r}; unpack the motions')
        keys = group_starts(types[video])
        for expression in entry['expressions'].values():
            rows += [(video, sorted(entry['frames']), expression, keys)] * (len(keys) // step)
    items = [_item(root, split, rows, index, num_frames) for index in range(len(rows[:limit]))]
    return dict(len=len(rows), items=items)


def _item(root: Path, split: str, rows: list[tuple], index: int, num_frames: int) -> Entry:
    """The row of ``index`` with what was drawn: an item whose clip lacks the object is that of another row."""
    generator = random.Random(index)
    video, _, expression, keys = rows[index]
    item = dict(index=index, random_seed=index, video=video, exp=expression['exp'], obj_id=int(expression['obj_id']),
                key_frames=keys)

    def draw(at: int) -> Entry | None:
        video, frames, expression, keys = rows[at]
        frames_idx = sorted(generator.sample(keys, num_frames))
        size = image_size(root / split / 'JPEGImages' / video / f'{frames[0]}.jpg')
        source = ObjectPNG(path=f'{root / split / "Annotations"}/{{video}}/{{object}}/{{frame}}.png',
                           video_size=lambda _: size)
        masks = [source.read(video, frames[i], i, [expression['obj_id']]).objects[0] for i in frames_idx]
        if not any(mask.any() for mask in masks):
            return None
        valid, boxes = mask_targets(masks)
        motions = np.load(motion_file(root, split, video), mmap_mode='r')
        motion = np.concatenate([motions[k + 1:k + 1 + MOTIONS_PER_KEY] for k in frames_idx])
        return dict(frames_idx=frames_idx, caption=clean_text(expression['exp']), valid=valid, boxes=boxes,
                    masks=[mask_entry(mask, values=False) for mask in masks], motions_shape=list(motion.shape),
                    imgs_shape=[len(frames_idx), 3, *size])

    found, _ = first_visible(generator, index, len(rows), draw)
    return item | found
