"""Image files."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image


@contextmanager
def open_image(file: str | os.PathLike, what: str = 'frame') -> Iterator[Image.Image]:
    """An image file, fully decoded.

    Raises:
        FileNotFoundError: there is no file.
        ValueError: the file is truncated or no image, or grey with more than 8 bits.
    """
    try:
        image = Image.open(file)
        image.load()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise FileNotFoundError(f'{file}: {what} is missing; check the folder and its layout, or unpack the data '
                                'again') from error
    except (OSError, SyntaxError) as error:
        raise ValueError(f'{file}: {what} cannot be decoded ({error}); fetch or unpack it again') from error
    with image:
        if image.mode in ('I', 'F') or image.mode.startswith('I;16'):  # Pillow would clip it at 255
            raise ValueError(f'{file}: {what} is grey with more than 8 bits (mode {image.mode}); write it with 8')
        yield image


def grey_levels(image: Image.Image, name: object) -> np.ndarray:
    """Levels (H, W) uint8 of an image that is grey in every pixel; a palette is looked up, not taken for numbers.

    Args:
        image: of any mode of 8 bits.
        name: for the message.

    Raises:
        ValueError: it shows colours.
    """
    if image.mode == 'L':
        return np.array(image, dtype=np.uint8)
    colours = np.array(image.convert('RGB'), dtype=np.uint8)  # H W 3
    if (colours != colours[..., :1]).any():
        raise ValueError(f'{name}: expected grey levels 0..255, found an image with colours (mode {image.mode}). '
                         'Numbers of objects are no levels of saliency: for masks in colours set soft=False (data set) '
                         'and soft_truth=False (metric), or write the masks as 0 and 255')
    return colours[..., 0]
