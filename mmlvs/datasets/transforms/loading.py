"""From files to arrays: frames and masks of the listed frames of a clip, each file read once."""

import numpy as np

from mmlvs.datasets.transforms.boxes import mask_boxes
from mmlvs.datasets.transforms.compose import ClipTransform, Results
from mmlvs.io import open_image
from mmlvs.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadFrames(ClipTransform):
    """Decodes the listed frames with Pillow into ``results['frames'][stream]``, (T, H, W, 3) uint8 RGB.

    Sets ``ori_shape``, ``img_shape``, ``scale_factor`` and ``flip``. A frame that the clip lists twice is decoded once.

    Args:
        stream: name of the stream.

    Raises:
        FileNotFoundError: a frame is missing.
        ValueError: a frame cannot be decoded, or frames of a clip differ in size.
    """

    def __init__(self, *, stream: str = 'img') -> None:
        self.stream = stream

    def transform(self, results: Results) -> Results:
        """Add the stream."""
        decoded: dict[str, np.ndarray] = {}
        for path in results['frame_paths']:
            if path not in decoded:
                with open_image(path) as image:
                    decoded[path] = np.asarray(image.convert('RGB'))
        first = next(iter(decoded.values())).shape
        for path, frame in decoded.items():
            if frame.shape != first:
                raise ValueError(f'{path}: frame of size {frame.shape[:2]} (height, width), but the clip starts with '
                                 f'{first[:2]}; frames of a video must have one size')
        frames = np.stack([decoded[path] for path in results['frame_paths']])  # T H W 3
        results.setdefault('frames', {})[self.stream] = frames
        results.update(ori_shape=first[:2], img_shape=first[:2], scale_factor=(1.0, 1.0))
        results.setdefault('flip', False)
        return results


@TRANSFORMS.register_module()
class LoadMasks(ClipTransform):
    """Reads masks of the clip's objects from ``results['mask_source']`` and makes boxes from them.

    Sets ``gt_masks`` (O, T, H, W) uint8, ``gt_ignore`` (T, H, W), ``gt_boxes`` (O, T, 4), ``gt_valid`` (O, T) and
    ``gt_annotated`` (T,). A data set without masks (``mask_source`` None) leaves the item without ground truth.

    Raises:
        FileNotFoundError, ValueError: a file is missing or wrong; see the mask sources.
        ValueError: masks and frames differ in size.
    """

    def transform(self, results: Results) -> Results:
        """Add the ground truth."""
        source = results.get('mask_source')
        if source is None:
            return results
        read = {}
        for frame_id, frame_index in zip(results['frame_ids'], results['frame_index'], strict=True):
            if frame_index not in read:
                read[frame_index] = source.read(results['video_id'], frame_id, frame_index, results['object_ids'])
        size = self._size(results, read)
        num_objects, num_frames = len(results['object_ids']), len(results['frame_ids'])
        masks = np.zeros((num_objects, num_frames, *size), dtype=np.uint8)  # O T H W
        ignore = np.zeros((num_frames, *size), dtype=bool)
        annotated = np.zeros(num_frames, dtype=bool)
        for t, frame_index in enumerate(results['frame_index']):
            frame = read[frame_index]
            if frame is not None:
                masks[:, t], ignore[t], annotated[t] = frame.objects, frame.ignore, True
        boxes, valid = mask_boxes(masks)
        results.update(gt_masks=masks, gt_ignore=ignore, gt_boxes=boxes, gt_valid=valid, gt_annotated=annotated)
        return results

    @staticmethod
    def _size(results: Results, read: dict) -> tuple[int, int]:
        size = results.get('ori_shape')
        for frame in read.values():
            if frame is None:
                continue
            size = size or frame.ignore.shape
            if tuple(frame.ignore.shape) != tuple(size):
                raise ValueError(f'{frame.source}: masks of size {tuple(frame.ignore.shape)} (height, width), but '
                                 f"frames of video {results['video_id']!r} have {tuple(size)}; both must have one size")
        if size is None:
            raise ValueError(f"video {results['video_id']!r}: no listed frame is annotated and no frame is loaded, so "
                             'the size of its masks is unknown; put LoadFrames before LoadMasks')
        return tuple(size)
