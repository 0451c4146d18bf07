"""From files to arrays: frames and masks of the listed frames of a clip, each file read once."""

import numpy as np

from mmlvs.datasets.frame_files import decode_frames
from mmlvs.datasets.transforms.boxes import box_area, mask_boxes
from mmlvs.datasets.transforms.compose import ClipTransform, Results
from mmlvs.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadFrames(ClipTransform):
    """Decodes the listed frames into ``results['frames'][stream]``, (T, H, W, 3) uint8 RGB.

    Images with Pillow, frames of video files (``clip.mp4#frame=12``) with OpenCV in one pass; a frame that is listed
    twice is decoded once. The stream of ``frame_paths`` sets ``ori_shape``, ``img_shape``, ``scale_factor`` and
    ``flip``; streams of other paths come after it, and an empty list gives an empty stream.

    Args:
        stream: name of the stream.
        paths: entry of ``results`` with the addresses of the frames, such as ``global_frame_paths`` (Locater).

    Raises:
        FileNotFoundError: a frame is missing.
        ValueError: a frame cannot be decoded, or frames of a clip differ in size.
    """

    def __init__(self, *, stream: str = 'img', paths: str = 'frame_paths') -> None:
        self.stream, self.paths = stream, paths

    def transform(self, results: Results) -> Results:
        """Add the stream."""
        paths = results[self.paths]
        decoded = decode_frames(paths)
        first = next(iter(decoded.values())).shape if decoded else (*results['img_shape'], 3)
        for path, frame in decoded.items():
            if frame.shape != first:
                raise ValueError(f'{path}: frame of size {frame.shape[:2]} (height, width), but the clip starts with '
                                 f'{first[:2]}; frames of a video must have one size')
        frames = np.stack([decoded[path] for path in paths]) if paths else np.zeros((0, *first), np.uint8)  # T H W 3
        results.setdefault('frames', {})[self.stream] = frames
        if self.paths == 'frame_paths':
            results.update(ori_shape=first[:2], img_shape=first[:2], scale_factor=(1.0, 1.0))
        results.setdefault('flip', False)
        return results


@TRANSFORMS.register_module()
class LoadMasks(ClipTransform):
    """Reads masks of the clip's objects from ``results['mask_source']`` and makes boxes from them.

    Sets ``gt_masks`` (O, T, H, W) uint8, ``gt_ignore`` (T, H, W), ``gt_boxes`` (O, T, 4), ``gt_valid`` (O, T) and
    ``gt_annotated`` (T,). A source that has boxes of its own (RefCOCO) gives those, and an object whose box has no area
    is not valid. In a key-frame item only the masks of its key frame are read. A data set without masks
    (``mask_source`` None) leaves the item without ground truth.

    Raises:
        FileNotFoundError, ValueError: a file is missing or wrong; see the mask sources.
        ValueError: masks and frames differ in size.
    """

    def transform(self, results: Results) -> Results:
        """Add the ground truth."""
        source = results.get('mask_source')
        if source is None:
            return results
        read, times = {}, range(len(results['frame_ids']))
        if 'key_frame' in results:
            times = results['key_frames']
        for t in times:
            frame_id, frame_index = results['frame_ids'][t], results['frame_index'][t]
            if frame_index not in read:
                read[frame_index] = source.read(results['video_id'], frame_id, frame_index, results['object_ids'])
        size = self._size(results, read)
        num_objects, num_frames = len(results['object_ids']), len(results['frame_ids'])
        masks = np.zeros((num_objects, num_frames, *size), dtype=np.uint8)  # O T H W
        ignore = np.zeros((num_frames, *size), dtype=bool)
        annotated = np.zeros(num_frames, dtype=bool)
        own_boxes = {}
        for t in times:
            frame = read[results['frame_index'][t]]
            if frame is not None:
                masks[:, t], ignore[t], annotated[t] = frame.objects, frame.ignore, True
                if frame.boxes is not None:
                    own_boxes[t] = frame.boxes
        boxes, valid = mask_boxes(masks)
        for t, given in own_boxes.items():
            boxes[:, t], valid[:, t] = given, box_area(given) > 0
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
                turned = '; a photo that its EXIF data turn must be saved upright' if tuple(
                    frame.ignore.shape) == tuple(size)[::-1] else ''
                raise ValueError(f'{frame.source}: masks of size {tuple(frame.ignore.shape)} (height, width), but '
                                 f"frames of video {results['video_id']!r} have {tuple(size)}; both must have one size"
                                 f'{turned}')
        if size is None:
            raise ValueError(f"video {results['video_id']!r}: no listed frame is annotated and no frame is loaded, so "
                             'the size of its masks is unknown; put LoadFrames before LoadMasks')
        return tuple(size)
