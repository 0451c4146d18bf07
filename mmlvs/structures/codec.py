"""The one place that knows how frames get to network size and how masks and boxes get back."""

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from mmlvs.registry import TASK_UTILS

Size = tuple[int, int]
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_RESIZERS = ('pillow', 'align_corners')
_MASK_RESIZERS = ('floor', 'pillow')
_WAYS_BACK = ('direct', 'crop_first', 'upsample_crop_nearest')


def short_side_size(size: Size, short_side: int, max_long_side: int | None = None) -> Size:
    """Size whose short side is ``short_side``, the other ``int(short_side * ratio)``; (height, width).

    If the long side would exceed ``max_long_side``, the short side becomes ``round(max_long_side * short / long)``
    first (ReferFormer, specification 5.5). A frame that already fits is left as it is.
    """
    height, width = size
    short, long = float(min(size)), float(max(size))
    if max_long_side is not None and long / short * short_side > max_long_side:
        short_side = int(round(max_long_side * short / long))
    if min(size) == short_side:
        return height, width
    if width < height:
        return int(short_side * height / width), short_side
    return short_side, int(short_side * width / height)


@TASK_UTILS.register_module()
class ClipCodec:
    """Resizes, pads and normalises the frames of a clip, and takes masks and boxes the way back.

    Pipelines, ``predict``, the inferencer and the writers hold a codec built from the same settings; nobody else
    derives a scale factor.

    Args:
        short_side: target short side in pixels; with ``max_long_side`` as upper bound of the other.
        max_long_side: upper bound of the long side, None = no bound.
        size: fixed (height, width) instead of a short side. Neither given: frames keep their size.
        resizer: ``'pillow'``: antialiased bilinear of Pillow on uint8 frames; ``'align_corners'``: bilinear of float
            frames with aligned corners (Locater).
        mask_resizer: rule of nearest neighbours for masks, see :meth:`resize_masks`.
        mean, std: of the RGB channels, for frames in 0..1; None = frames stay in 0..1.
        pad_divisor: height and width of a batch are rounded up to a multiple of it.
        mask_stride: stride of the network's mask logits, for the way back.
        way_back: ``'direct'``: bilinear from the logits' grid to the original size (Ref-YTVOS, official);
            ``'crop_first'``: bilinear to input pixels, crop the padding, bilinear to the original size;
            ``'upsample_crop_nearest'``: bilinear to input pixels, threshold, crop, nearest (A2D and JHMDB, official).
        frames_at_once: upper bound of frames brought to original size at a time.

    Raises:
        ValueError: contradictory or unknown settings.
    """

    def __init__(self, *, short_side: int | None = None, max_long_side: int | None = None, size: Size | None = None,
                 resizer: str = 'pillow', mask_resizer: str = 'floor',
                 mean: tuple[float, ...] | None = IMAGENET_MEAN, std: tuple[float, ...] | None = IMAGENET_STD,
                 pad_divisor: int = 32, mask_stride: int = 4,
                 way_back: str = 'direct', frames_at_once: int = 8) -> None:
        if size is not None and short_side is not None:
            raise ValueError('ClipCodec: give `size` or `short_side`, not both')
        if max_long_side is not None and short_side is None:
            raise ValueError('ClipCodec: `max_long_side` needs `short_side`')
        if resizer not in _RESIZERS:
            raise ValueError(f'ClipCodec: resizer {resizer!r}, expected one of {_RESIZERS}')
        if mask_resizer not in _MASK_RESIZERS:
            raise ValueError(f'ClipCodec: mask_resizer {mask_resizer!r}, expected one of {_MASK_RESIZERS}')
        if way_back not in _WAYS_BACK:
            raise ValueError(f'ClipCodec: way_back {way_back!r}, expected one of {_WAYS_BACK}')
        if (mean is None) != (std is None):
            raise ValueError('ClipCodec: give both `mean` and `std` or neither')
        if pad_divisor < 1:
            raise ValueError(f'ClipCodec: pad_divisor {pad_divisor}, expected at least 1')
        self.short_side, self.max_long_side = short_side, max_long_side
        self.size = None if size is None else (int(size[0]), int(size[1]))
        self.resizer, self.mask_resizer, self.mean, self.std = resizer, mask_resizer, mean, std
        self.pad_divisor, self.mask_stride, self.way_back = pad_divisor, mask_stride, way_back
        self.frames_at_once = frames_at_once

    # ---------------------------------------------------------------- there

    def target_size(self, size: Size) -> Size:
        """Network size (height, width) of frames of ``size`` (height, width)."""
        if self.size is not None:
            return self.size
        if self.short_side is None:
            return size
        return short_side_size(size, self.short_side, self.max_long_side)

    def resize_frames(self, frames: np.ndarray, size: Size) -> np.ndarray:
        """Frames (T, H, W, 3), uint8 RGB, to ``size``; uint8 with Pillow, float32 in 0..1 with ``'align_corners'``."""
        if self.resizer == 'align_corners':
            tensor = torch.from_numpy(np.ascontiguousarray(frames)).float() / 255
            tensor = tensor.permute(0, 3, 1, 2)  # T H W 3 -> T 3 H W
            tensor = F.interpolate(tensor, size=size, mode='bilinear', align_corners=True)
            return tensor.permute(0, 2, 3, 1).numpy()  # T 3 h w -> T h w 3
        if tuple(frames.shape[1:3]) == tuple(size):
            return frames
        out = np.empty((len(frames), *size, 3), dtype=np.uint8)
        for t, frame in enumerate(frames):
            out[t] = Image.fromarray(frame).resize((size[1], size[0]), Image.Resampling.BILINEAR)
        return out

    @staticmethod
    def resize_masks(masks: np.ndarray, size: Size, mask_resizer: str = 'floor') -> np.ndarray:
        """Masks (..., H, W) to ``size`` by nearest neighbour: source index floor(i * in / out), in float32 as torch
        has it, or with ``'pillow'`` floor((i + 0.5) * in / out) as Pillow has it."""
        if tuple(masks.shape[-2:]) == tuple(size):
            return masks
        index = _pillow_index if mask_resizer == 'pillow' else _nearest_index
        rows, cols = (index(n, m) for n, m in zip(masks.shape[-2:], size, strict=True))
        return masks[..., rows[:, None], cols[None, :]]

    def normalize(self, frames: Tensor) -> Tensor:
        """Frames (..., 3, H, W), uint8 0..255 or float 0..1, to float: 0..1, minus mean, by std."""
        frames = frames.float() / 255 if frames.dtype == torch.uint8 else frames
        if self.mean is None:
            return frames
        mean = frames.new_tensor(self.mean)[:, None, None]
        std = frames.new_tensor(self.std)[:, None, None]
        return (frames - mean) / std

    def padded_size(self, sizes: list[Size]) -> Size:
        """Common (height, width) of clips of ``sizes``, rounded up to a multiple of ``pad_divisor``."""
        step = self.pad_divisor
        return tuple(-(-max(column) // step) * step for column in zip(*sizes, strict=True))

    # ---------------------------------------------------------------- back

    def restore_masks(self, logits: Tensor, *, img_shape: Size, ori_shape: Size, threshold: float = 0.5,
                      return_prob: bool = False) -> Tensor:
        """Mask logits of one expression to the original size.

        Args:
            logits: (K, h, w) on the grid of ``mask_stride`` over the padded network input.
            img_shape: unpadded network size (height, width).
            ori_shape: original size (height, width).
            threshold: on the probability, strict.
            return_prob: give float probabilities instead of bool.

        Returns:
            (K, H, W) bool, or float probabilities.
        """
        blocks = [self._restore_block(block, img_shape, ori_shape, threshold, return_prob)
                  for block in logits.split(self.frames_at_once)]
        if not blocks:
            return logits.new_zeros((0, *ori_shape), dtype=logits.dtype if return_prob else torch.bool)
        return torch.cat(blocks)

    def _restore_block(self, logits: Tensor, img_shape: Size, ori_shape: Size, threshold: float,
                       return_prob: bool) -> Tensor:
        x = logits[:, None]  # K h w -> K 1 h w
        if self.way_back != 'direct':
            grid = tuple(n * self.mask_stride for n in x.shape[-2:])
            x = F.interpolate(x, size=grid, mode='bilinear', align_corners=False)
            x = x[..., :img_shape[0], :img_shape[1]]
        if self.way_back == 'upsample_crop_nearest':
            prob = x.sigmoid()
            values = prob if return_prob else (prob > threshold).float()
            values = F.interpolate(values, size=tuple(ori_shape), mode='nearest')[:, 0]  # K 1 H W -> K H W
            return values if return_prob else values.bool()
        prob = F.interpolate(x, size=tuple(ori_shape), mode='bilinear', align_corners=False)[:, 0].sigmoid()
        return prob if return_prob else prob > threshold

    @staticmethod
    def restore_boxes(boxes: Tensor, *, ori_shape: Size) -> Tensor:
        """Relative cx, cy, w, h (..., 4) to x1, y1, x2, y2 in pixels of the original frame."""
        height, width = ori_shape
        cx, cy, w, h = boxes.unbind(-1)
        corners = torch.stack([cx - 0.5 * w, cy - 0.5 * h, cx + 0.5 * w, cy + 0.5 * h], dim=-1)
        return corners * boxes.new_tensor([width, height, width, height])


def _nearest_index(source: int, target: int) -> np.ndarray:
    """Source rows of a nearest resize from ``source`` to ``target`` rows, in float32 as torch computes it."""
    scale = np.float32(source) / np.float32(target)
    index = np.floor(np.arange(target, dtype=np.float32) * scale).astype(np.int64)
    return np.minimum(index, source - 1)


def _pillow_index(source: int, target: int) -> np.ndarray:
    """Source rows of Pillow's nearest resize from ``source`` to ``target`` rows, by itself: it adds up its steps."""
    rows = Image.fromarray(np.arange(source, dtype=np.int32)[None])
    return np.asarray(rows.resize((target, 1), Image.Resampling.NEAREST))[0]
