"""Resizing, cropping and flipping of a whole clip: one draw for all frames, masks, boxes and sentences."""

from collections.abc import Sequence

import numpy as np

from mmlvs.datasets.transforms.boxes import box_area, crop_boxes, flip_boxes, mask_boxes, resize_boxes
from mmlvs.datasets.transforms.compose import ClipTransform, Results
from mmlvs.datasets.transforms.text import exchange_left_right, exchange_substrings
from mmlvs.registry import TRANSFORMS
from mmlvs.structures import ClipCodec

Size = tuple[int, int]
_MASK_KEYS = ('gt_masks', 'gt_ignore')


def resize_clip(results: Results, codec: ClipCodec, *, resize_gt: bool = True) -> Results:
    """Resize all streams of a clip by the size rule of a codec, and masks and boxes with them.

    Frames as the codec does it, masks by nearest neighbour, boxes by the ratio of sizes.

    Args:
        results: the clip; ``img_shape`` and ``scale_factor`` (sx, sy) are brought up to date.
        codec: size rule and resizer.
        resize_gt: False leaves the ground truth at its size (testing: scored at original size).
    """
    old = tuple(results['img_shape'])
    new = codec.target_size(old)
    _each_stream(results, lambda frames: codec.resize_frames(frames, new))
    if resize_gt and 'gt_masks' in results:
        _same_size(results)
        for key in _MASK_KEYS:
            results[key] = codec.resize_masks(results[key], new, codec.mask_resizer)
        results['gt_boxes'] = resize_boxes(results['gt_boxes'], old, new)
    sx, sy = results['scale_factor']
    results.update(img_shape=new, scale_factor=(sx * new[1] / old[1], sy * new[0] / old[0]))
    return results


def crop_clip(results: Results, *, top: int, left: int, height: int, width: int) -> Results:
    """Cut the same region out of all frames and masks; boxes are moved and clamped to it."""
    region = (slice(top, top + height), slice(left, left + width))
    _each_stream(results, lambda frames: frames[:, region[0], region[1]])
    if 'gt_masks' in results:
        _same_size(results)
        for key in _MASK_KEYS:
            results[key] = results[key][..., region[0], region[1]]
        results['gt_boxes'] = crop_boxes(results['gt_boxes'], top, left, height, width)
    results['img_shape'] = (height, width)
    return results


def flip_clip(results: Results, words: str = 'whole') -> Results:
    """Mirror all frames, masks and boxes left to right and exchange "left" and "right" in the sentences.

    Args:
        results: the clip.
        words: ``'whole'`` words; ``'substring'`` as the reference ("bright" becomes "bleft", noun chunks are dropped);
            ``'keep'``.
    """
    _each_stream(results, lambda frames: frames[:, :, ::-1])
    if 'gt_masks' in results:
        width = results['gt_masks'].shape[-1]
        for key in _MASK_KEYS:
            results[key] = results[key][..., ::-1]
        boxes = flip_boxes(results['gt_boxes'], width)
        boxes[~results['gt_valid']] = 0
        results['gt_boxes'] = boxes
    if words == 'whole':
        chunks = results.get('noun_chunks') or [[] for _ in results['texts']]
        exchanged = [exchange_left_right(t, c) for t, c in zip(results['texts'], chunks, strict=True)]
        results['texts'], results['noun_chunks'] = [t for t, _ in exchanged], [c for _, c in exchanged]
    elif words == 'substring':
        results['texts'] = [exchange_substrings(t) for t in results['texts']]
        results['noun_chunks'] = [[] for _ in results['texts']]
    results['flip'] = not results.get('flip', False)
    return results


def _each_stream(results: Results, change) -> None:
    for stream, frames in results['frames'].items():
        if len(frames) and tuple(frames.shape[1:3]) != tuple(results['img_shape']):
            raise ValueError(f"stream {stream!r} of video {results['video_id']!r} has frames of {frames.shape[1:3]}, "
                             f"but img_shape is {results['img_shape']}: add streams of another size after the geometry")
        results['frames'][stream] = change(frames)


def _same_size(results: Results) -> None:
    found, expected = tuple(results['gt_masks'].shape[-2:]), tuple(results['img_shape'])
    if found != expected:
        raise ValueError(f"masks of video {results['video_id']!r} have size {found}, frames {expected}: an earlier "
                         'step left the ground truth at its original size (resize_gt=False), which is for the last '
                         'step of test pipelines')


@TRANSFORMS.register_module()
class ResizeClip(ClipTransform):
    """Resizes a clip by the size rule of :class:`ClipCodec`: a short side with a bound of the long side, or a fixed
    size.

    Args:
        short_side, max_long_side, size, resizer, mask_resizer: settings of :class:`ClipCodec`.
        resize_gt: False in test pipelines: the ground truth stays at original size.
    """

    def __init__(self, *, short_side: int | None = None, max_long_side: int | None = None, size: Size | None = None,
                 resizer: str = 'pillow', mask_resizer: str = 'floor', resize_gt: bool = True) -> None:
        if short_side is None and size is None:
            raise ValueError('ResizeClip: give `short_side` or `size`')
        self.codec = ClipCodec(short_side=short_side, max_long_side=max_long_side, size=size, resizer=resizer,
                               mask_resizer=mask_resizer)
        self.resize_gt = resize_gt

    def transform(self, results: Results) -> Results:
        """See :func:`resize_clip`."""
        return resize_clip(results, self.codec, resize_gt=self.resize_gt)


@TRANSFORMS.register_module()
class RandomResizeClip(ClipTransform):
    """Resizes a clip to a short side drawn from a list (ReferFormer, specification 5.5).

    Args:
        short_sides: the choices in pixels, all equally likely.
        max_long_side: bound of the long side, None = no bound.
    """

    def __init__(self, *, short_sides: Sequence[int], max_long_side: int | None = None) -> None:
        if not short_sides:
            raise ValueError('RandomResizeClip: short_sides is empty')
        self.codecs = [ClipCodec(short_side=s, max_long_side=max_long_side) for s in short_sides]

    def transform(self, results: Results) -> Results:
        """See :func:`resize_clip`."""
        return resize_clip(results, self.codecs[int(results['rng'].integers(len(self.codecs)))])


@TRANSFORMS.register_module()
class RandomCropClip(ClipTransform):
    """Cuts a random region whose sides are drawn from ``min_side .. min(max_side, side)``, at a random place.

    A frame smaller than ``min_side`` keeps that side whole. Objects may be cut away: :class:`MarkVisible` belongs after
    it.

    Args:
        min_side, max_side: bounds of both sides in pixels, inclusive.
    """

    def __init__(self, *, min_side: int, max_side: int) -> None:
        if not 1 <= min_side <= max_side:
            raise ValueError(f'RandomCropClip: expected 1 <= min_side <= max_side, found {min_side} and {max_side}')
        self.min_side, self.max_side = min_side, max_side

    def transform(self, results: Results) -> Results:
        """See :func:`crop_clip`."""
        rng, (height, width) = results['rng'], results['img_shape']
        w, h = self._side(rng, width), self._side(rng, height)
        top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
        return crop_clip(results, top=top, left=left, height=h, width=w)

    def _side(self, rng: np.random.Generator, side: int) -> int:
        return int(rng.integers(min(self.min_side, side), min(self.max_side, side) + 1))


@TRANSFORMS.register_module()
class RandomFlipClip(ClipTransform):
    """Mirrors a clip left to right with probability ``prob`` and exchanges "left" and "right" in its sentences.

    Args:
        prob: probability.
        words: how words are exchanged; see :func:`flip_clip`.
    """

    def __init__(self, *, prob: float = 0.5, words: str = 'whole') -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'RandomFlipClip: prob {prob}, expected 0..1')
        if words not in ('whole', 'substring', 'keep'):
            raise ValueError(f"RandomFlipClip: words {words!r}, expected 'whole', 'substring' or 'keep'")
        self.prob, self.words = prob, words

    def transform(self, results: Results) -> Results:
        """See :func:`flip_clip`."""
        return flip_clip(results, self.words) if results['rng'].random() < self.prob else results


def visible(boxes: np.ndarray, masks: np.ndarray, by: str) -> np.ndarray:
    """Which objects are visible: ``'masks'`` = some pixel is left, ``'boxes'`` = the box has an area (reference)."""
    return box_area(boxes) > 0 if by == 'boxes' else (masks > 0).any(axis=(-2, -1))


@TRANSFORMS.register_module()
class MarkVisible(ClipTransform):
    """Decides anew which objects are visible after geometry; those that are not get a zero box. Clips without masks
    pass.

    Args:
        by: ``'masks'``: some pixel is left; ``'boxes'``: the box has an area, so that an object one pixel wide counts
            as absent (ReferFormer).
        recompute_boxes: take boxes from the transformed masks instead of the transformed boxes.
    """

    def __init__(self, *, by: str = 'masks', recompute_boxes: bool = False) -> None:
        if by not in ('masks', 'boxes'):
            raise ValueError(f"MarkVisible: by {by!r}, expected 'masks' or 'boxes'")
        self.by, self.recompute_boxes = by, recompute_boxes

    def transform(self, results: Results) -> Results:
        """Change ``gt_valid`` and ``gt_boxes``."""
        if 'gt_masks' not in results:
            return results
        if self.recompute_boxes:
            results['gt_boxes'], _ = mask_boxes(results['gt_masks'])
        results['gt_valid'] = visible(results['gt_boxes'], results['gt_masks'], self.by)
        results['gt_boxes'] = np.where(results['gt_valid'][..., None], results['gt_boxes'], 0).astype(np.float32)
        return results
