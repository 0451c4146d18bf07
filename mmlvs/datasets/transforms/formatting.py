"""From the ``results`` dict to the item that a model's data preprocessor takes."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch

from mmlvs.datasets.categories import CATEGORIES, category_number
from mmlvs.datasets.transforms.compose import ClipTransform, Results
from mmlvs.registry import TRANSFORMS
from mmlvs.structures import VideoSegDataSample

META_KEYS = ('video_id', 'frame_ids', 'frame_paths', 'num_frames', 'clip', 'key_frames', 'texts', 'expression_ids',
             'expressions_info', 'object_ids', 'noun_chunks', 'ori_shape', 'img_shape', 'scale_factor', 'flip',
             'dataset')
GT_KEYS = ('gt_masks', 'gt_ignore', 'gt_boxes', 'gt_valid', 'gt_annotated', 'gt_labels')


@TRANSFORMS.register_module()
class PackClip(ClipTransform):
    """Packs streams into ``inputs`` and everything else into a :class:`VideoSegDataSample`.

    Streams become contiguous tensors (T, 3, H, W) of their own type (uint8 or float32); an absent stream has T = 0.

    Raises:
        KeyError: a key that every item needs is missing.
        ValueError: a stream has another shape or type.
    """

    def transform(self, results: Results) -> dict[str, Any]:
        """The item: ``dict(inputs={stream: tensor}, data_samples=VideoSegDataSample)``."""
        missing = [key for key in ('frames', *META_KEYS) if key not in results]
        if missing:
            raise KeyError(f'PackClip: results lack {missing}; LoadFrames and the data set supply them')
        inputs = {stream: self._tensor(stream, frames) for stream, frames in results['frames'].items()}
        sample = VideoSegDataSample(metainfo={key: results[key] for key in META_KEYS})
        ground_truth = {key: torch.from_numpy(np.ascontiguousarray(results[key])) for key in GT_KEYS if key in results}
        if ground_truth:
            sample.set_data(dict(ground_truth, gt_objects=[list(o) for o in results['gt_objects']]))
        return dict(inputs=inputs, data_samples=sample)

    @staticmethod
    def _tensor(stream: str, frames: np.ndarray) -> torch.Tensor:
        if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype not in (np.uint8, np.float32):
            raise ValueError(f'stream {stream!r}: expected uint8 or float32 frames (T, H, W, 3), found {frames.dtype} '
                             f'{frames.shape}')
        planes = np.empty((len(frames), 3, *frames.shape[1:3]), dtype=frames.dtype)  # T 3 H W
        for frame, out in zip(frames, planes, strict=True):
            if frame.size:
                cv2.split(np.ascontiguousarray(frame), list(out))  # writes in place, many times faster than a transpose
        return torch.from_numpy(planes)


@TRANSFORMS.register_module()
class LabelObjects(ClipTransform):
    """Gives objects the numbers of their categories: ``gt_labels`` (O,) int64, for models with more than one class.

    Args:
        categories: name of a known list (:data:`mmlvs.datasets.categories.CATEGORIES`), or the names in order.

    Raises:
        ValueError: an object has no category, or one that the list lacks.
    """

    def __init__(self, *, categories: str | Sequence[str] = 'ref_youtube_vos') -> None:
        if isinstance(categories, str) and categories not in CATEGORIES:
            raise ValueError(f'categories {categories!r}: expected one of {sorted(CATEGORIES)}, or a list of names')
        self.categories = CATEGORIES[categories] if isinstance(categories, str) else tuple(categories)

    def transform(self, results: Results) -> Results:
        """Add ``gt_labels``."""
        numbers = []
        for object_id, name in zip(results['object_ids'], results['object_categories'], strict=True):
            if name is None:
                raise ValueError(f"object {object_id!r} of video {results['video_id']!r} has no category; LabelObjects "
                                 'needs the meta.json of the split')
            numbers.append(category_number(name, self.categories))
        results['gt_labels'] = np.array(numbers, dtype=np.int64)
        return results
