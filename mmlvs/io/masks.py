"""Masks on disk: index PNGs with the PASCAL palette, black-and-white PNGs, run-length codes."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mmlvs.io.atomic import atomic_path
from mmlvs.io.images import open_image


def pascal_palette(colors: int = 256) -> np.ndarray:
    """The palette of PASCAL VOC, which DAVIS and YouTube-VOS use.

    Bits 0, 3, 6 of the index make red, 1, 4, 7 green, 2, 5 blue, each group from the highest bit down: index 1 is
    (128, 0, 0), 2 is (0, 128, 0), 3 is (128, 128, 0).

    Returns:
        (colors, 3) uint8.
    """
    index = np.arange(colors)
    palette = np.zeros((colors, 3), np.uint8)
    for bit in range(8):
        channel, shift = bit % 3, 7 - bit // 3
        palette[:, channel] |= (((index >> bit) & 1) << shift).astype(np.uint8)
    return palette


def write_index_png(path: str | os.PathLike, index: np.ndarray) -> Path:
    """Write an index map (H, W) as a palette PNG: the pixel's value is the object id, 0 the background.

    Args:
        path: the PNG to write, atomically.
        index: (H, W) of whole numbers 0..255.

    Raises:
        ValueError: wrong shape, kind or range.
    """
    index = np.asarray(index)
    if index.ndim != 2 or index.dtype.kind not in 'ui' or index.size == 0:
        raise ValueError(f'{path}: expected an (H, W) array of whole numbers, found {index.dtype} {index.shape}')
    if index.min() < 0 or index.max() > 255:
        raise ValueError(f'{path}: object ids must lie in 0..255, found {index.min()}..{index.max()}')
    image = Image.fromarray(np.ascontiguousarray(index, dtype=np.uint8)).convert('L')
    image.putpalette(pascal_palette().tobytes())
    return _save(path, image)


def write_mask_png(path: str | os.PathLike, mask: np.ndarray) -> Path:
    """Write a mask (H, W) as a grey PNG with 0 and 255, the form that the Ref-YouTube-VOS server takes.

    Raises:
        ValueError: ``mask`` is not two-dimensional and boolean.
    """
    mask = np.asarray(mask)
    if mask.ndim != 2 or mask.dtype != np.bool_:
        raise ValueError(f'{path}: expected an (H, W) boolean mask, found {mask.dtype} {mask.shape}')
    return _save(path, Image.fromarray(mask.astype(np.uint8) * 255))


def read_index_png(path: str | os.PathLike) -> np.ndarray:
    """Read the index map (H, W) uint8 of a palette or grey PNG; the palette's colours play no part.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is damaged, or a colour image whose values are no object ids.
    """
    with open_image(path, 'annotation') as image:
        if image.mode not in ('P', 'L', '1'):
            raise ValueError(f'{path}: expected an index PNG (mode P, or L with the index as grey value), found mode '
                             f'{image.mode}; write the object ids with a palette, not colours')
        return np.array(image.convert('L') if image.mode == '1' else image, dtype=np.uint8)


def encode_rle(mask: np.ndarray) -> dict[str, Any]:
    """COCO run-length code of a mask (H, W): ``dict(size=[H, W], counts=str)``, ready for JSON.

    Raises:
        ValueError: ``mask`` is not two-dimensional and boolean or 0/1.
    """
    from pycocotools import mask as coco
    mask = np.asarray(mask)
    if mask.ndim != 2 or (mask.dtype != np.bool_ and not np.isin(mask, (0, 1)).all()):
        raise ValueError(f'expected an (H, W) mask of False/True or 0/1, found {mask.dtype} {mask.shape}')
    code = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {'size': [int(side) for side in code['size']], 'counts': code['counts'].decode('ascii')}


def decode_rle(code: dict[str, Any]) -> np.ndarray:
    """The boolean mask (H, W) of a COCO run-length code, compressed (str or bytes) or a list of run lengths.

    Raises:
        ValueError: ``code`` lacks ``size`` or ``counts``, or its runs do not cover the image.
    """
    from pycocotools import mask as coco
    missing = {'size', 'counts'} - set(code)
    if missing:
        raise ValueError(f'run-length code without {sorted(missing)}: expected dict(size=[H, W], counts=...)')
    height, width = (int(side) for side in code['size'])
    counts = code['counts']
    if isinstance(counts, list):
        if sum(counts) != height * width:
            raise ValueError(f'run lengths sum to {sum(counts)}, expected {height} x {width} = {height * width}')
        flat = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
        return flat.reshape(width, height).T  # runs go down the columns
    counts = counts.encode('ascii') if isinstance(counts, str) else counts
    return coco.decode({'size': [height, width], 'counts': counts}).astype(bool)


def _save(path: str | os.PathLike, image: Image.Image) -> Path:
    with atomic_path(path) as temporary:
        image.save(temporary, format='PNG')
    return Path(path)
