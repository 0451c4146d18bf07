"""Image files."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image


@contextmanager
def open_image(file: str | os.PathLike, what: str = 'frame') -> Iterator[Image.Image]:
    """An image file, fully decoded.

    Raises:
        FileNotFoundError: there is no file.
        ValueError: the file is truncated or no image.
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
        yield image
