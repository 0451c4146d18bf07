"""ReVOS as the official classes of Sa2VA return it."""

from functools import partial
from pathlib import Path
from typing import Any

from mmlvs.datasets.official import register_view
from mmlvs.datasets.official.sa2va import evaluation_view, training_view
from mmlvs.datasets.revos import annotation_file, video_folder
from mmlvs.datasets.rle_masks import RLEMasks

SET = 'revos'


@register_view(SET, 'sa2va_eval')
def sa2va_eval(data_root: Path, *, split: str | None = None, num_frames: int | None = None,
               limit: int | None = None) -> dict[str, Any]:
    """Sa2VA's class of evaluation on ``valid`` (or ``split``)."""
    root, name = Path(data_root), split or 'valid'
    return evaluation_view({name: (annotation_file(root, name), partial(video_folder, root))}, limit)


def _masks(data_root: Path, split: str, asked: str | None, limit: int | None) -> dict[str, Any]:
    if asked not in (None, split):
        raise ValueError(f'split {asked!r}: this reader is for {split!r}')
    root = Path(data_root)
    return training_view(annotation_file(root, split), RLEMasks(file=root / 'mask_dict.json'),
                         partial(video_folder, root), limit)


@register_view(SET, 'sa2va_train')
def sa2va_train(data_root: Path, *, split: str | None = None, num_frames: int | None = None,
                limit: int | None = None) -> dict[str, Any]:
    """Sa2VA's training list, with masks of all frames."""
    return _masks(data_root, 'train', split, limit)


@register_view(SET, 'sa2va_valid_masks')
def sa2va_valid_masks(data_root: Path, *, split: str | None = None, num_frames: int | None = None,
                      limit: int | None = None) -> dict[str, Any]:
    """The training reader on ``valid``: the truth of the evaluation."""
    return _masks(data_root, 'valid', split, limit)
