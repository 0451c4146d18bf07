"""JHMDB-Sentences as the official classes of MTTR and ReferFormer return it."""

from pathlib import Path, PurePosixPath
from typing import Any

from mmlvs.datasets.jhmdb_sentences import JHMDBSentencesDataset
from mmlvs.datasets.mask_sources import jhmdb_frame_mask, read_part_mask
from mmlvs.datasets.official import register_view
from mmlvs.datasets.official.common import Entry, image_size, mask_entry, mask_targets
from mmlvs.datasets.transforms.sampling import centred_window
from mmlvs.datasets.transforms.text import clean_text

SET = 'jhmdb_sentences'
Row = tuple[str, str, str, int, str]


def _window(dataset: JHMDBSentencesDataset, row: Row, num_frames: int) -> tuple[int, list[int], Any, list[int]]:
    """Annotated frame from 1, window from 1, mask (H, W) and frame size of a row of the metadata."""
    frame = int(PurePosixPath(row[1]).stem)
    window = [p + 1 for p in centred_window(frame - 1, row[3], num_frames)]
    mask = jhmdb_frame_mask(read_part_mask(str(dataset.mask_source().files[row[0]])), frame)
    return frame, window, mask, image_size(dataset.frame_path(row[0], f'{frame:05d}'))


@register_view(SET, 'mttr')
def mttr(data_root: Path, *, split: str | None = None, num_frames: int | None = None,
         limit: int | None = None) -> dict[str, Any]:
    """MTTR's class: windows of 8 and 5 frames (or ``num_frames``), the annotated frame in the centre."""
    dataset = JHMDBSentencesDataset(data_root=data_root)
    windows = {}
    for n in [8, 5] if num_frames is None else [num_frames]:
        windows[str(n)] = dict(len=len(dataset.rows), items=[_mttr_item(dataset, r, n) for r in dataset.rows[:limit]])
    return {'class': 'MTTR JHMDBSentencesDataset', 'windows': windows,
            'settings': dict(seed='random.seed(42) right before building the metadata')}


def _mttr_item(dataset: JHMDBSentencesDataset, row: Row, num_frames: int) -> Entry:
    frame, window, mask, size = _window(dataset, row, num_frames)
    return dict(metadata=list(row), caption=clean_text(row[4]), frames_1based=window,
                frames_shape=[num_frames, 3, *size], annotated_position=[num_frames // 2],
                mask=mask_entry(mask, values=False), image_id=f'v_{row[0]}_f_{frame}', orig_size=list(mask.shape))


@register_view(SET, 'referformer')
def referformer(data_root: Path, *, split: str | None = None, num_frames: int | None = None,
                limit: int | None = None) -> dict[str, Any]:
    """ReferFormer's class: windows of 5 and 6 frames (or ``num_frames``), the first copy of the annotated frame."""
    dataset = JHMDBSentencesDataset(data_root=data_root)
    val = {}
    for n in [5, 6] if num_frames is None else [num_frames]:
        items = [_referformer_item(dataset, row, n) for row in dataset.rows[:limit]]
        val[f'num_frames_{n}'] = dict(len=len(dataset.rows), items=items)
    return {'class': 'ReferFormer JHMDBSentencesDataset, identity transform', 'val': val}


def _referformer_item(dataset: JHMDBSentencesDataset, row: Row, num_frames: int) -> Entry:
    frame, window, mask, size = _window(dataset, row, num_frames)
    valid, boxes = mask_targets([mask])
    item = dict(metadata=list(row), caption=clean_text(row[4]), frames_idx=window, orig_size=list(mask.shape),
                valid_indices=[window.index(frame)], image_id=f'v_{row[0]}_f_{frame}')
    if not mask.any():
        return item | dict(resampled=True)
    return item | dict(valid=valid, boxes=boxes, masks=[mask_entry(mask)], image_shape=[num_frames, 3, *size])
