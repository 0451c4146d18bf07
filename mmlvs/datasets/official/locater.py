"""A2D-S+ and JHMDB as Locater's reader returns them, with frames of 32 in place of 320 pixels."""

from pathlib import Path
from typing import Any

from mmlvs.datasets.base import Expression, VideoRecord
from mmlvs.datasets.locater_sets import SUBSETS, LocaterDataset, fix_expression
from mmlvs.datasets.official import register_view
from mmlvs.datasets.official.common import Entry, bert_ids, find_vocabulary, image_size, mask_entry

MAX_QUERY = 20
SIDE = 32
SEP = 102


@register_view('locater', 'locater')
def locater(data_root: Path, *, split: str | None = None, num_frames: int | None = None,
            limit: int | None = None) -> dict[str, Any]:
    """Every (video, object) of the subsets that are there, for 3 and 1 global frames (or ``num_frames``).

    ``split`` names one subset (NORM, MUL, SPAT, TEMP, JHMDB).
    """
    if split is not None and split not in ('test', *SUBSETS):
        raise ValueError(f'split {split!r}: expected a subset, one of {SUBSETS}')
    chosen = [split] if split in SUBSETS else list(SUBSETS)
    sets = {}
    for subset in chosen:
        title = 'JHMDB/None' if subset == 'JHMDB' else f'A2D/{subset}'
        for count in [3, 1] if num_frames is None else [num_frames]:
            try:
                dataset = LocaterDataset(data_root=data_root, subset=subset, num_global=count)
            except FileNotFoundError:
                if len(chosen) == 1:
                    raise
                continue
            pairs = [(video, expression) for video in dataset.videos for expression in video.expressions]
            sets[f'{title}/N1={count}'] = dict(
                len=len(pairs), items=[_item(dataset, *pair, find_vocabulary(data_root)) for pair in pairs[:limit]])
    return {'class': 'Locater ReferDataset_VID', 'sets': sets,
            'settings': {'N1': 3, 'max_query_len': MAX_QUERY, 'transform size': SIDE}}


def _item(dataset: LocaterDataset, video: VideoRecord, expression: Expression, vocabulary: Path) -> Entry:
    global_names = dataset.global_frames(video.video_id)
    size = image_size(dataset.frame_path(video.video_id, global_names[0]))
    text = expression.info['exp']
    ids, length = bert_ids(fix_expression(text), MAX_QUERY + 2, vocabulary, clean=True)
    if length == MAX_QUERY + 2:
        ids[-1] = SEP  # unlike LAVT, a sentence that is cut keeps its end
    return dict(
        sample=dict(sequence=video.video_id, object=expression.expression_id, expression=text,
                    images=[f'{name}.png' for name in video.frame_ids],
                    labels=[f'{name}.pth' for name in expression.info['labels']]),
        frame_num=dataset.frame_counts[video.video_id], global_frame_numbers_1based=[int(n) for n in global_names],
        global_shape=[len(global_names), *size, 3], global_shape_transformed=[len(global_names), 3, SIDE, SIDE],
        checked_phrase=fix_expression(text), input_ids=ids, attention_mask=[1] * length + [0] * (len(ids) - length),
        keys=['attention_mask', 'input_ids', 'token_type_ids'],
        frames=[_frame(dataset, video, expression, p) for p in range(len(video.frame_ids))])


def _frame(dataset: LocaterDataset, video: VideoRecord, expression: Expression, position: int) -> Entry:
    name = video.frame_ids[position]
    size = image_size(dataset.frame_path(video.video_id, name))
    found = dataset.mask_source().read(video.video_id, name, position, expression.object_ids)
    mask = None if found is None else found.objects  # 1 H W
    return dict(image=f'{name}.png', image_shape=[1, *size, 3], labelled=mask is not None,
                mask=None if mask is None else mask_entry(mask, values=False),
                mask_shape=[1, *size] if mask is None else list(mask.shape), transformed_image_shape=[1, 3, SIDE, SIDE],
                transformed_mask_shape=[1, *size] if mask is None else list(mask.shape))
