"""What the views of the official readers share: entries for masks and colours, clip sampling with Python's ``random``.

The official loaders draw from the global generators of Python and numpy. Views draw from ``random.Random(seed)`` and
``numpy.random.RandomState(seed)``, which give the numbers of ``random.seed(seed)`` and ``numpy.random.seed(seed)``.
"""

import hashlib
import os
import random
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from mmlvs.datasets.transforms.boxes import mask_boxes, normalise_boxes, resize_boxes
from mmlvs.datasets.transforms.sampling import global_draw, local_frames
from mmlvs.io import open_image
from mmlvs.structures.codec import ClipCodec

Entry = dict[str, Any]


def mask_md5(mask: np.ndarray) -> str:
    """MD5 of the packed bits of ``mask > 0``, (H, W)."""
    return hashlib.md5(np.packbits((mask > 0).astype(np.uint8).ravel()).tobytes()).hexdigest()


def mask_area(mask: np.ndarray) -> int:
    """Number of pixels above 0."""
    return int((mask > 0).sum())


def mask_entry(mask: np.ndarray, *, values: bool = True) -> Entry:
    """Shape, area, checksum and, if asked for, the distinct values of a mask (H, W)."""
    entry = dict(shape=list(mask.shape), area=mask_area(mask), md5=mask_md5(mask))
    return entry | dict(values=distinct(mask)) if values else entry


def distinct(*masks: np.ndarray) -> list[int]:
    """Distinct values of masks, ascending."""
    return sorted({int(value) for mask in masks for value in np.unique(mask)})


def mask_targets(masks: Sequence[np.ndarray]) -> tuple[list[int], list[list[float]]]:
    """``valid`` (0 or 1) and ``boxes`` (x1, y1, x2, y2, no + 1) of the masks (H, W) of the frames of a clip."""
    boxes, valid = mask_boxes(np.stack(list(masks)))  # T H W
    return [int(v) for v in valid], boxes.tolist()


@lru_cache(maxsize=256)
def read_rgb(file: str | os.PathLike) -> np.ndarray:
    """An image (H, W, 3) uint8 RGB, decoded by Pillow. Kept for the next call: do not write to it."""
    with open_image(file) as image:
        return np.asarray(image.convert('RGB'))


def image_size(file: str | os.PathLike) -> list[int]:
    """[height, width] of an image."""
    return list(read_rgb(file).shape[:2])


def mean_rgb(frames: Sequence[np.ndarray]) -> list[float]:
    """Mean colour of frames (H, W, 3), two decimals."""
    mean = np.mean([frame.reshape(-1, 3).mean(axis=0) for frame in frames], axis=0)  # H W 3 -> HW 3
    return [round(float(value), 2) for value in mean]


def resize_mask_pillow(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A mask (H, W) to ``size`` (height, width) with Pillow's nearest neighbour (centres of pixels; LAVT)."""
    from PIL import Image
    return np.asarray(Image.fromarray(mask.astype(np.uint8)).resize((size[1], size[0]), Image.Resampling.NEAREST))


def resized_fields(masks: np.ndarray, boxes: np.ndarray, num_frames: int, *, short_side: int = 360,
                   max_long_side: int = 640, shape_name: str = 'imgs_shape') -> Entry:
    """Sizes, relative boxes and mask areas after a resize by the size rule of the ReferFormer family (MTTR's too).

    Args:
        masks: (N, H, W).
        boxes: (N, 4) float32 in pixels.
        num_frames: frames of the clip.
        short_side, max_long_side: the size rule.
        shape_name: how the reader calls the shape of the clip.
    """
    old = tuple(masks.shape[-2:])
    codec = ClipCodec(short_side=short_side, max_long_side=max_long_side)
    new = codec.target_size(old)
    relative = normalise_boxes(resize_boxes(boxes, old, new), new)
    return {shape_name: [num_frames, 3, *new], 'size': list(new), 'boxes_cxcywh': relative.tolist(),
            'mask_areas': [mask_area(codec.resize_masks(mask, new)) for mask in masks]}


def draw_clip(generator: random.Random, start: int, length: int, num_frames: int, *, single: bool = True,
              repeat: bool = False) -> list[int]:
    """Frames of a training clip as the official code draws them: three local ones, then others of the whole video.

    Args:
        generator: drawn from in the order randint(1, 3), randint(1, 3), sample of positions.
        start: start frame.
        length: frames of the video.
        num_frames: frames of the clip.
        single: one frame is the start frame itself (classes without this guard take the earlier neighbour).
        repeat: the repair of LAVT-RS for very short videos; see :func:`mmlvs.datasets.transforms.sampling.global_draw`.

    Raises:
        ValueError: the video is too short, and ``repeat`` is off.
    """
    if num_frames == 1 and single:
        return [start]
    before, after = generator.randint(1, 3), generator.randint(1, 3)
    frames = local_frames(start, length, before, after)
    if num_frames > 3:
        draw = global_draw(frames, length, num_frames - 3, repeat=repeat)
        frames += [draw.pool[p] for p in generator.sample(range(len(draw.pool)), draw.count)] + list(draw.fixed)
    return sorted(frames)[:num_frames]


def first_visible(generator: random.Random, index: int, length: int, draw: Callable[[int], Any | None],
                  max_tries: int = 1000) -> tuple[Any, bool]:
    """``draw(index)``, or of a randomly drawn index as long as it gives None (no frame shows the object).

    Returns:
        What ``draw`` gave, and whether the index was drawn anew.

    Raises:
        RuntimeError: nothing came up in ``max_tries`` draws.
    """
    for tries in range(max_tries):
        found = draw(index)
        if found is not None:
            return found, tries > 0
        index = generator.randint(0, length - 1)
    raise RuntimeError(f'none of {max_tries} drawn items shows an object; check that masks carry the ids of the '
                       'annotation file')


# ------------------------------------------------------------------------------------------ token ids


def find_vocabulary(data_root: Path) -> Path:
    """``vocab.txt`` of bert-base-uncased, the first that is there: the variable ``MMLVS_BERT_VOCAB`` (file or folder),
    the folder ``pretrained/bert-base-uncased``, or ``vocab/bert-base-uncased`` beside the data set, one level above it,
    or in a folder ``shared`` beside the working directory.

    Raises:
        FileNotFoundError: there is none.
    """
    named = os.environ.get('MMLVS_BERT_VOCAB')
    root, name = Path(data_root).resolve(), 'bert-base-uncased'
    places = [Path(named)] if named else [Path('pretrained') / name]
    places += [parent / 'vocab' / name for parent in (root, *root.parents[:2], Path('..') / 'shared')]
    for place in places:
        file = place / 'vocab.txt' if place.is_dir() else place
        if file.is_file():
            return file
    raise FileNotFoundError('token ids need vocab.txt of bert-base-uncased, which is in none of '
                            f'{", ".join(str(place) for place in places)}; put the file of the released model into the '
                            'first, or name it with MMLVS_BERT_VOCAB')


def bert_ids(text: str, max_tokens: int, vocabulary: Path, *, clean: bool = False) -> tuple[list[int], int]:
    """Ids of bert-base-uncased with [CLS] and [SEP], cut to ``max_tokens`` by slicing and padded with zeros; and the
    number of real ids (LAVT, LAVT-RS).

    ``clean``: control and zero-width characters are removed first, as the current tokenizer does; the one that LAVT and
    LAVT-RS carry leaves them in their word, which becomes [UNK].
    """
    ids = _bert_tokenizer(str(vocabulary), clean).encode(text).ids[:max_tokens]
    return ids + [0] * (max_tokens - len(ids)), len(ids)


@lru_cache(maxsize=4)
def _bert_tokenizer(vocabulary: str, clean: bool):
    from tokenizers import BertWordPieceTokenizer
    return BertWordPieceTokenizer(vocabulary, clean_text=clean, lowercase=True, strip_accents=True)


# ------------------------------------------------------------------------------------------ comparison


def differences(ours: Any, theirs: Any, path: str = '') -> Iterator[str]:
    """Where two structures of a reader differ, place by place; mean colours may differ by 1."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(ours.keys() ^ theirs.keys()):
            yield f'{path}/{key}: only in {"ours" if key in ours else "theirs"}'
        for key in ours:
            if key in theirs:
                yield from differences(ours[key], theirs[key], f'{path}/{key}')
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for n, pair in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(*pair, f'{path}[{n}]')
    elif 'mean_rgb' in path and isinstance(ours, float | int) and isinstance(theirs, float | int):
        if abs(ours - theirs) > 1:
            yield f'{path}: {ours} and {theirs}'
    elif ours != theirs:
        yield f'{path}: {ours!r} and {theirs!r}'
