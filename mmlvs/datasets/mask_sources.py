"""Where masks lie: one small interface, one class per form of storage."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from mmlvs.io import decode_rle, read_index_png


@dataclass(frozen=True)
class FrameMasks:
    """Masks of one frame: ``objects`` (O, H, W) uint8 and ``ignore`` (H, W) bool, True = void.

    ``boxes`` (O, 4) float32 x1, y1, x2, y2 if the annotation has boxes of its own; None = they follow from the masks.
    """

    objects: np.ndarray
    ignore: np.ndarray
    source: str
    boxes: np.ndarray | None = None


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
        sparse: a frame without file is not annotated; False: it is an error.
    """

    def __init__(self, *, path: str, void: int | None = 255, sparse: bool = False) -> None:
        self.path, self.void, self.sparse = path, void, sparse

    def file_of(self, video_id: str, frame_id: str) -> Path:
        """The PNG of a frame."""
        return Path(self.path.format(video=video_id, frame=frame_id))

    def read(self, video_id: str, frame_id: str, frame_index: int, object_ids: Sequence[str]) -> FrameMasks | None:
        """See :class:`MaskSource`; every listed frame must have its file, unless ``sparse``.

        Raises:
            FileNotFoundError: there is no file.
            ValueError: the file is no index PNG, or an object id is no number 1..254.
        """
        file = self.file_of(video_id, frame_id)
        if self.sparse and not file.is_file():
            return None
        index = read_index_png(file)
        ids = np.array([object_number(o, self.void) for o in object_ids], dtype=np.uint8)
        objects = (index[None] == ids[:, None, None]).view(np.uint8)  # O H W
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


class A2DMasks(MaskSource):
    """HDF5 of A2D-Sentences: one file per annotated frame with all its instances; object ids are instance ids.

    Arrays lie as MATLAB wrote them: ``reMask`` is (N, W, H), but (W, H) when there is one instance; ``instance`` holds
    N ids, stored as floats and compared as numbers. A frame without a file is not annotated. Ids may have gaps; an
    instance that a frame lacks has an empty mask there.

    Args:
        path: ``{video}`` and ``{frame}`` (5 digits, from 1) filled in, the file of a frame.
    """

    def __init__(self, *, path: str) -> None:
        self.path = path

    def file_of(self, video_id: str, frame_id: str) -> Path:
        """The HDF5 file of a frame, there or not."""
        return Path(self.path.format(video=video_id, frame=frame_id))

    def read(self, video_id: str, frame_id: str, frame_index: int, object_ids: Sequence[str]) -> FrameMasks | None:
        """See :class:`MaskSource`.

        Raises:
            ValueError: the file is damaged or lacks a field.
        """
        file = self.file_of(video_id, frame_id)
        if not file.is_file():
            return None
        re_mask, ids = read_h5(file, 'reMask', 'instance')
        ids = ids.reshape(-1)
        masks = re_mask[None] if len(ids) == 1 and re_mask.ndim == 2 else re_mask
        if masks.ndim != 3 or len(masks) != len(ids):
            raise ValueError(f'{file}: reMask {re_mask.shape} does not fit the {len(ids)} ids of instance; expected '
                             '(N, W, H), or (W, H) for one instance')
        blank = np.zeros(masks.shape[:0:-1], dtype=np.uint8)  # H W
        objects = [a2d_object_mask(re_mask, ids, int(o)) if int(o) in ids else blank for o in object_ids]
        return FrameMasks(_stack(objects, blank), blank > 0, str(file))


def read_h5(file: Path, *fields: str) -> list[np.ndarray]:
    """Fields of an HDF5 file as arrays.

    Raises:
        FileNotFoundError: there is no file.
        ValueError: the file is damaged or lacks a field.
    """
    import h5py
    if not file.is_file():
        raise FileNotFoundError(f'{file}: annotation is missing; check data_root and its layout, or unpack it again')
    try:
        with h5py.File(file, 'r') as content:
            missing = [f for f in fields if f not in content]
            if missing:
                raise ValueError(f'{file}: has no field {missing}, only {sorted(content)}')
            return [np.asarray(content[f]) for f in fields]
    except OSError as error:
        raise ValueError(f'{file}: is no readable HDF5 file ({error}); fetch or unpack it again') from error


class PuppetMasks(MaskSource):
    """MATLAB files of JHMDB: one ``part_mask`` (H, W, frames) per video, not transposed; one person per video.

    The file may cover fewer frames than there are images: those beyond it are not annotated.

    Args:
        files: video id -> its ``puppet_mask.mat``.
    """

    def __init__(self, *, files: Mapping[str, Path]) -> None:
        self.files = files

    def read(self, video_id: str, frame_id: str, frame_index: int, object_ids: Sequence[str]) -> FrameMasks | None:
        """See :class:`MaskSource`; every asked object is the one person of the video."""
        file = self.files[video_id]
        masks = read_part_mask(str(file))
        if not 1 <= int(frame_id) <= masks.shape[2]:
            return None
        mask = jhmdb_frame_mask(masks, int(frame_id))
        return FrameMasks(_stack([mask] * len(object_ids), mask), np.zeros(mask.shape, dtype=bool), str(file))


@lru_cache(maxsize=8)
def read_part_mask(file: str) -> np.ndarray:
    """``part_mask`` (H, W, frames) of a ``puppet_mask.mat``; the last few files are kept.

    Raises:
        FileNotFoundError: there is no file.
        ValueError: it is damaged, or has no such variable of three axes.
    """
    from scipy.io import loadmat
    try:
        masks = np.asarray(loadmat(file)['part_mask'])
    except FileNotFoundError as error:
        raise FileNotFoundError(f'{file}: annotation is missing; check data_root, or unpack puppet_mask') from error
    except KeyError as error:
        raise ValueError(f'{file}: expected the variable part_mask') from error
    except Exception as error:  # scipy raises many kinds for a damaged file
        raise ValueError(f'{file}: is no readable MATLAB 5 file ({error}); fetch or unpack it again') from error
    masks = masks[..., None] if masks.ndim == 2 else masks  # MATLAB drops the last axis of a single frame: H W -> H W 1
    if masks.ndim != 3:
        raise ValueError(f'{file}: part_mask of shape {masks.shape}, expected (H, W, frames)')
    return masks


class CocoMasks(MaskSource):
    """Polygons or run-length codes of COCO annotations; object ids are annotation ids (RefCOCO family).

    Several parts of an object (polygons) may overlap. An annotation marked ``iscrowd`` has an empty mask with
    ``drop_crowd``, as the reference drops it.

    Args:
        annotations: object id -> annotation (``segmentation``, ``bbox`` x, y, w, h, ``iscrowd``).
        sizes: object id -> (H, W) of its image.
        source: name of the file, for messages.
        overlap: pixels of several parts are object (``'any'``), background (``'drop'``: LAVT), or hold the number of
            parts (``'count'``: the REFER reader, before LAVT takes the value 1).
        drop_crowd: see above.
    """

    def __init__(self, *, annotations: Mapping[str, Mapping[str, Any]], sizes: Mapping[str, tuple[int, int]],
                 source: str, overlap: str = 'any', drop_crowd: bool = True) -> None:
        if overlap not in ('any', 'drop', 'count'):
            raise ValueError(f"overlap {overlap!r}: expected 'any', 'drop' or 'count'")
        self.annotations, self.sizes, self.source = annotations, sizes, source
        self.overlap, self.drop_crowd = overlap, drop_crowd

    def read(self, video_id: str, frame_id: str, frame_index: int, object_ids: Sequence[str]) -> FrameMasks:
        """See :class:`MaskSource`; boxes are those of the annotations, clamped to the image."""
        masks, boxes = [], []
        for object_id in object_ids:
            annotation, (height, width) = self.annotations[object_id], self.sizes[object_id]
            mask, box = np.zeros((height, width), dtype=np.uint8), np.zeros(4, dtype=np.float32)
            if not (self.drop_crowd and annotation.get('iscrowd')):
                mask = self._combine(segmentation_parts(annotation['segmentation'], (height, width), self.source))
                x, y, w, h = (np.float32(v) for v in annotation['bbox'])
                box = np.clip(np.array([x, y, x + w, y + h]), 0, np.array([width, height] * 2, dtype=np.float32))
            masks.append(mask)
            boxes.append(box.astype(np.float32))
        height, width = self.sizes[object_ids[0]]
        blank = np.zeros((height, width), dtype=bool)
        return FrameMasks(_stack(masks, blank), blank, self.source, np.stack(boxes))

    def _combine(self, parts: np.ndarray) -> np.ndarray:
        count = parts.sum(axis=0).astype(np.uint8)  # parts H W -> H W
        if self.overlap == 'count':
            return count
        return (count == 1 if self.overlap == 'drop' else count > 0).astype(np.uint8)


def segmentation_parts(segmentation: Any, size: tuple[int, int], source: str) -> np.ndarray:
    """The parts (P, H, W) uint8 of a COCO segmentation: polygons, one run-length code, or a list of them.

    Raises:
        ValueError: it is none of these.
    """
    from pycocotools import mask as coco
    height, width = size
    if isinstance(segmentation, Mapping):
        return decode_rle(segmentation)[None].astype(np.uint8)  # H W -> 1 H W
    if not segmentation:
        return np.zeros((0, height, width), dtype=np.uint8)
    if isinstance(segmentation[0], Mapping):
        return np.stack([decode_rle(code) for code in segmentation]).astype(np.uint8)
    try:
        codes = coco.frPyObjects([[float(v) for v in polygon] for polygon in segmentation], height, width)
    except Exception as error:  # pycocotools raises bare exceptions
        raise ValueError(f'{source}: a segmentation is neither polygons nor run-length code ({error})') from error
    return coco.decode(codes).transpose(2, 0, 1)  # H W P -> P H W


class TensorMasks(MaskSource):
    """One ``torch.save``d tensor (H, W) per (video, object, labelled frame).

    Args:
        path: ``{video}``, ``{object}`` and ``{frame}`` filled in, the file; a ``/`` in the video id becomes ``_``.
        labels: (video id, object id) -> frames with a label; other frames are not annotated, whatever files there are.
    """

    def __init__(self, *, path: str, labels: Mapping[tuple[str, str], frozenset[str]]) -> None:
        self.path, self.labels = path, labels

    def file_of(self, video_id: str, frame_id: str, object_id: str) -> Path:
        """The file of an object in a frame, there or not."""
        return Path(self.path.format(video=video_id.replace('/', '_'), object=object_id, frame=frame_id))

    def read(self, video_id: str, frame_id: str, frame_index: int, object_ids: Sequence[str]) -> FrameMasks | None:
        """See :class:`MaskSource`.

        Raises:
            FileNotFoundError: a labelled frame has no file.
            ValueError: a file holds no tensor (H, W), or only some of several objects are labelled in the frame.
        """
        labelled = [frame_id in self.labels[video_id, o] for o in object_ids]
        if not any(labelled):
            return None
        if not all(labelled):
            raise ValueError(f'frame {frame_id} of video {video_id!r} is labelled for some of the objects '
                             f"{list(object_ids)} only; ask for one object at a time (unit='expression')")
        files = [self.file_of(video_id, frame_id, o) for o in object_ids]
        masks = np.stack([(read_tensor(file) > 0).astype(np.uint8) for file in files])
        return FrameMasks(masks, np.zeros(masks.shape[1:], dtype=bool), str(files[0]))


def read_tensor(file: Path) -> np.ndarray:
    """A saved tensor (H, W), (1, H, W) too, as array (H, W); code in the file is not run.

    Raises:
        FileNotFoundError: there is no file.
        ValueError: it holds something else.
    """
    import torch
    if not file.is_file():
        raise FileNotFoundError(f'{file}: annotation is missing; check data_root, or unpack the masks again')
    try:
        value = torch.load(file, map_location='cpu', weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged or refused file
        raise ValueError(f'{file}: is no plain tensor file ({error})') from error
    array = np.asarray(value)
    if array.ndim == 3 and len(array) == 1:
        array = array[0]
    if array.ndim != 2:
        raise ValueError(f'{file}: expected a tensor (H, W), found {array.shape}')
    return array


def _stack(masks: Sequence[np.ndarray], like: np.ndarray) -> np.ndarray:
    return np.stack(masks) if len(masks) else np.zeros((0, *like.shape), dtype=np.uint8)  # O H W
