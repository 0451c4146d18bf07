"""Single images as clips: repeated, or warped as if the camera and the object moved."""

from dataclasses import dataclass

import cv2
import numpy as np

from mmlvs.datasets.transforms.boxes import mask_boxes
from mmlvs.datasets.transforms.compose import ClipTransform, Results
from mmlvs.registry import TRANSFORMS

_FRAME_KEYS = ('frame_ids', 'frame_paths', 'frame_index')


def repeat_frame(results: Results, num_frames: int) -> Results:
    """A clip of one loaded frame as one of ``num_frames`` equal ones; all are key frames.

    Raises:
        ValueError: the clip has another length.
    """
    if len(results['frame_ids']) != 1:
        raise ValueError(f"video {results['video_id']!r}: expected a single image, found {len(results['frame_ids'])} "
                         'frames; pseudo clips are for image data sets')
    for key in _FRAME_KEYS:
        results[key] = results[key] * num_frames
    results['key_frames'] = list(range(num_frames))
    results['frames'] = {stream: np.repeat(f, num_frames, axis=0) for stream, f in results['frames'].items()}
    if 'gt_masks' in results:
        for key, axis in (('gt_masks', 1), ('gt_ignore', 0), ('gt_boxes', 1), ('gt_valid', 1), ('gt_annotated', 0)):
            results[key] = np.repeat(results[key], num_frames, axis=axis)
    return results


@TRANSFORMS.register_module()
class RepeatFrame(ClipTransform):
    """A loaded image ``num_frames`` times, unchanged (pseudo videos of LAVT-RS).

    Args:
        num_frames: frames of the clip.
    """

    def __init__(self, *, num_frames: int) -> None:
        if num_frames < 1:
            raise ValueError(f'num_frames {num_frames}: expected at least 1')
        self.num_frames = num_frames

    def transform(self, results: Results) -> Results:
        """See :func:`repeat_frame`."""
        return repeat_frame(results, self.num_frames)


@dataclass(frozen=True)
class Warp:
    """Numbers of one warp: a map of coordinates (3, 3), and what happens to the colours."""

    matrix: np.ndarray
    steps: tuple[str, ...] = ()
    brightness: int = 0
    hue_saturation: int = 0
    blur: np.ndarray | None = None


def draw_warp(size: tuple[int, int], rng: np.random.Generator, *, degrees: float = 20.0, shift: float = 0.1,
              corners: float = 0.08, brightness: int = 40, hue_saturation: int = 5, blur_prob: float = 0.25) -> Warp:
    """Draw a warp of frames of ``size`` (height, width): one or both colour steps, perspective, affine, blur.

    Args:
        size: (height, width).
        rng: source of the draws.
        degrees: bound of the rotation.
        shift: bound of the translation, one fraction for both axes.
        corners: spread of the corners' jitter relative to the size; corners move inwards.
        brightness, hue_saturation: bounds of the colour steps.
        blur_prob: probability of a motion blur with a kernel of 9 or 11 pixels.
    """
    height, width = size
    steps = list(rng.permutation(['brightness', 'hue_saturation']))[:int(rng.integers(1, 3))]
    amounts = int(rng.integers(-brightness, brightness + 1)), int(rng.integers(-hue_saturation, hue_saturation + 1))
    full = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    inward = np.abs(rng.normal(0, corners, (4, 2))).clip(max=0.45) * [width, height]
    corner = (full + inward * [[1, 1], [-1, 1], [-1, -1], [1, -1]]).astype(np.float32)
    perspective = cv2.getPerspectiveTransform(corner, full)
    moved, angle = rng.uniform(-shift, shift), rng.uniform(-degrees, degrees)
    affine = np.eye(3)
    affine[:2] = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), angle, 1.0)
    affine[:2, 2] += [moved * width, moved * height]
    blur = None
    if rng.random() < blur_prob:
        blur = motion_kernel(int(rng.choice([9, 11])), rng.uniform(0, 360))
    return Warp(affine @ perspective, tuple(str(s) for s in steps), *amounts, blur)


def motion_kernel(side: int, degrees: float) -> np.ndarray:
    """Kernel (side, side) of a straight motion in a direction; its sum is 1."""
    line = np.zeros((side, side), dtype=np.float32)
    line[side // 2] = 1
    turn = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), degrees, 1.0)
    kernel = cv2.warpAffine(line, turn, (side, side), flags=cv2.INTER_LINEAR)
    return kernel / kernel.sum()


def warp_frame(frame: np.ndarray, warp: Warp) -> np.ndarray:
    """A frame (H, W, 3) uint8 RGB with the colours and the geometry of a warp, zeros outside."""
    for step in warp.steps:
        if step == 'brightness':
            frame = np.clip(frame.astype(np.int16) + warp.brightness, 0, 255).astype(np.uint8)
        else:
            hsv = cv2.cvtColor(frame, cv2.COLOR_RGB2HSV).astype(np.int16)
            hsv[..., 0] = (hsv[..., 0] + warp.hue_saturation) % 180
            hsv[..., 1] = np.clip(hsv[..., 1] + warp.hue_saturation, 0, 255)
            frame = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)
    height, width = frame.shape[:2]
    frame = cv2.warpPerspective(frame, warp.matrix, (width, height), flags=cv2.INTER_LINEAR)
    return frame if warp.blur is None else cv2.filter2D(frame, -1, warp.blur)


def warp_mask(mask: np.ndarray, warp: Warp) -> np.ndarray:
    """A mask (H, W) uint8 with the geometry of a warp, nearest neighbour, zeros outside."""
    return cv2.warpPerspective(mask, warp.matrix, mask.shape[::-1], flags=cv2.INTER_NEAREST)


@TRANSFORMS.register_module()
class PseudoClip(ClipTransform):
    """A loaded image and ``num_frames - 1`` warped copies of it in random order (joint training of ReferFormer).

    Every copy has its own warp (:func:`draw_warp`): brightness and hue/saturation, perspective, rotation up to 20
    degrees, shift up to 10 %, now and then a motion blur. Masks follow by nearest neighbour, boxes are made anew from
    them: an object that is warped away is not valid in that frame. Belongs directly after loading.

    The distributions are those of the reference; its random numbers come from another library and cannot be repeated.

    Args:
        num_frames: frames of the clip.
    """

    def __init__(self, *, num_frames: int) -> None:
        if num_frames < 1:
            raise ValueError(f'num_frames {num_frames}: expected at least 1')
        self.num_frames = num_frames

    def transform(self, results: Results) -> Results:
        """Frames, masks, boxes and which objects are visible."""
        results = repeat_frame(results, self.num_frames)
        rng = results['rng']
        order = rng.permutation(self.num_frames)  # place in the clip of the image (0) and of its copies
        for copy in range(1, self.num_frames):
            t, warp = int(order[copy]), draw_warp(results['img_shape'], rng)
            for frames in results['frames'].values():
                frames[t] = warp_frame(frames[t], warp)
            if 'gt_masks' in results:
                for o in range(len(results['gt_masks'])):
                    results['gt_masks'][o, t] = warp_mask(results['gt_masks'][o, t], warp)
                ignore = results['gt_ignore'][t].astype(np.uint8)
                results['gt_ignore'][t] = warp_mask(ignore, warp) > 0
                boxes, valid = mask_boxes(results['gt_masks'][:, t])
                results['gt_boxes'][:, t], results['gt_valid'][:, t] = boxes, valid & results['gt_valid'][:, t]
        return results


@TRANSFORMS.register_module()
class DrawExpression(ClipTransform):
    """Keeps one of the item's expressions, drawn at random (LAVT: one sentence of a reference per access)."""

    def transform(self, results: Results) -> Results:
        """Narrow the expressions; the objects stay."""
        chosen = int(results['rng'].integers(len(results['texts'])))
        for key in ('texts', 'expression_ids', 'expressions_info', 'noun_chunks', 'gt_objects'):
            results[key] = [results[key][chosen]]
        return results
