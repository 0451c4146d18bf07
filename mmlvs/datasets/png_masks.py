"""Masks as grey PNGs: one file per object and frame, or one soft or binary foreground per frame."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from mmlvs.datasets.mask_sources import FrameMasks, MaskSource
from mmlvs.io import grey_levels, open_image

Size = tuple[int, int]
FOREGROUND = '1'
"""Id of the one object of data sets that know foreground and background only."""


def read_grey(file: str | Path) -> np.ndarray:
    """Values (H, W) uint8 of a mask file: palette index or grey value. A colour file must be grey in every pixel.

    Raises:
        FileNotFoundError: there is no file.
        ValueError: it is damaged, or shows colours.
    """
    with open_image(file, 'annotation') as image:
        if image.mode in ('P', 'L'):
            return np.array(image, dtype=np.uint8)
        if image.mode == '1':
            return np.array(image.convert('L'), dtype=np.uint8)
        colours = np.array(image.convert('RGB'), dtype=np.uint8)
        if (colours != colours[..., :1]).any():
            raise ValueError(f'{file}: expected a grey or palette image, found a colour image of mode {image.mode}; '
                             'write the mask with one channel')
        return colours[..., 0]


class ObjectPNG(MaskSource):
    """One PNG per object and frame, any value above 0 is the object; no file = the object is absent (Long-RVOS).

    Args:
        path: ``{video}``, ``{object}`` and ``{frame}`` filled in, the file of an object in a frame.
        video_size: video id -> (H, W), for frames that show none of the objects.
    """

    def __init__(self, *, path: str, video_size: Callable[[str], Size]) -> None:
        self.path, self.video_size = path, video_size

    def file_of(self, video_id: str, object_id: str, frame_id: str) -> Path:
        """The PNG of an object in a frame, there or not."""
        return Path(self.path.format(video=video_id, object=object_id, frame=frame_id))

    def read(self, video_id: str, frame_id: str, frame_index: int, object_ids: Sequence[str]) -> FrameMasks:
        """See :class:`MaskSource`.

        Raises:
            ValueError: files of one frame differ in size.
        """
        files = [self.file_of(video_id, o, frame_id) for o in object_ids]
        masks = {n: read_grey(file) for n, file in enumerate(files) if file.is_file()}
        size = next(iter(masks.values())).shape if masks else tuple(self.video_size(video_id))
        objects = np.zeros((len(files), *size), dtype=np.uint8)  # O H W
        for n, mask in masks.items():
            if mask.shape != size:
                raise ValueError(f'{files[n]}: mask of size {mask.shape} (height, width), but another object of this '
                                 f'frame has {size}; all must have one size')
            objects[n] = mask > 0
        source = self.path.format(video=video_id, object='*', frame=frame_id)
        return FrameMasks(objects, np.zeros(size, dtype=bool), source)


class ForegroundPNG(MaskSource):
    """One foreground per frame, the object ``'1'``; a frame without file is not annotated.

    Args:
        file_of: video id, frame id -> the file, or None.
        soft: keep grey levels 0..255 as they are (saliency truth); False: any value above 0 is foreground (all objects
            of an index PNG merge to one).
        void: value of pixels that count for nothing, with ``soft=False``; None = there is none.
    """

    def __init__(self, *, file_of: Callable[[str, str], Path | None], soft: bool = False,
                 void: int | None = None) -> None:
        if soft and void is not None:
            raise ValueError('ForegroundPNG: soft masks have no void value')
        self.file_of, self.soft, self.void = file_of, soft, void

    def read(self, video_id: str, frame_id: str, frame_index: int, object_ids: Sequence[str]) -> FrameMasks | None:
        """See :class:`MaskSource`.

        Raises:
            ValueError: the file is damaged; or it shows colours where levels are wanted.
        """
        file = self.file_of(video_id, frame_id)
        if file is None:
            return None
        if self.soft:
            with open_image(file, 'annotation') as image:
                grey = grey_levels(image, file)
        else:
            grey = read_grey(file)
        ignore = np.zeros(grey.shape, dtype=bool) if self.void is None else grey == self.void
        mask = grey if self.soft else ((grey > 0) & ~ignore).astype(np.uint8)
        return FrameMasks(np.stack([mask] * len(object_ids)), ignore, str(file))  # O H W
