"""Where masks lie: one small interface, one class per form of storage."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmlvs.io import read_index_png


@dataclass(frozen=True)
class FrameMasks:
    """Masks of one frame: ``objects`` (O, H, W) uint8 and ``ignore`` (H, W) bool, True = void."""

    objects: np.ndarray
    ignore: np.ndarray
    source: str


class MaskSource(ABC):
    """Gives the masks of chosen objects in one frame."""

    @abstractmethod
    def read(self, video_id: str, frame_id: str, frame_index: int, object_ids: Sequence[str]) -> FrameMasks | None:
        """Masks of ``object_ids`` in a frame; None if the frame is not annotated.

        Args:
            video_id: the video.
            frame_id: name of the frame.
            frame_index: position of the frame in the video, from 0.
            object_ids: the objects, in the order of the answer; one that is absent gets an empty mask.
        """


class IndexPNG(MaskSource):
    """One index PNG per frame: the pixel value is the object id, 0 background (Ref-YouTube-VOS, DAVIS).

    The index is read as it is stored, palette or grey; the palette's colours have no meaning.

    Args:
        path: ``{video}`` and ``{frame}`` filled in, the file of a frame.
        void: value of pixels that count for nothing; None = there is none.
    """

    def __init__(self, *, path: str, void: int | None = 255) -> None:
        self.path, self.void = path, void

    def file_of(self, video_id: str, frame_id: str) -> Path:
        """The PNG of a frame."""
        return Path(self.path.format(video=video_id, frame=frame_id))

    def read(self, video_id: str, frame_id: str, frame_index: int, object_ids: Sequence[str]) -> FrameMasks:
        """See :class:`MaskSource`; every listed frame must have its file.

        Raises:
            FileNotFoundError: there is no file.
            ValueError: the file is no index PNG, or an object id is no number 1..254.
        """
        file = self.file_of(video_id, frame_id)
        index = read_index_png(file)
        ids = np.array([object_number(o, self.void) for o in object_ids], dtype=np.uint8)
        objects = (index[None] == ids[:, None, None]).astype(np.uint8)  # O H W
        ignore = np.zeros(index.shape, dtype=bool) if self.void is None else index == self.void
        return FrameMasks(objects, ignore, str(file))


def object_number(object_id: str, void: int | None = 255) -> int:
    """Pixel value of an object id in an index PNG.

    Raises:
        ValueError: the id is no number from 1 to 255, or it is the void value.
    """
    if not object_id.isdecimal() or not 1 <= int(object_id) <= 255 or int(object_id) == void:
        raise ValueError(f'object id {object_id!r}: expected the pixel value of an object, a number from 1 to 255 '
                         f'other than the void value {void}')
    return int(object_id)


def a2d_object_mask(re_mask: np.ndarray, instances: np.ndarray, instance: int) -> np.ndarray:
    """Mask (H, W) uint8 of one instance of an A2D-Sentences annotation.

    Args:
        re_mask: field ``reMask``, (N, W, H), or (W, H) when N = 1: arrays of MATLAB come transposed.
        instances: field ``instance``, N ids.
        instance: the id asked for.

    Raises:
        ValueError: there is no such instance.
    """
    ids = np.asarray(instances).reshape(-1)
    where = np.flatnonzero(ids == instance)
    if not len(where):
        raise ValueError(f'instance {instance} is not annotated in this frame, only {ids.tolist()}')
    masks = re_mask[None] if len(ids) == 1 and re_mask.ndim == 2 else re_mask
    return (masks[where[0]].T > 0).astype(np.uint8)  # W H -> H W


def jhmdb_frame_mask(part_mask: np.ndarray, frame: int) -> np.ndarray:
    """Mask (H, W) uint8 of frame number ``frame`` (from 1) of a JHMDB ``part_mask`` (H, W, frames)."""
    if not 1 <= frame <= part_mask.shape[2]:
        raise ValueError(f'frame {frame}: the mask file covers frames 1..{part_mask.shape[2]}')
    return (part_mask[:, :, frame - 1] > 0).astype(np.uint8)
