"""Colour: brightness, contrast, saturation, hue and channel order."""

from dataclasses import dataclass

import cv2
import numpy as np

from mmlvs.datasets.transforms.compose import ClipTransform, Results
from mmlvs.registry import TRANSFORMS

CHANNEL_ORDERS = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))


@dataclass(frozen=True)
class PhotometricDraw:
    """What is done to one frame; None = step not taken. ``contrast_first`` False = contrast after the colours."""

    brightness: float | None = None
    contrast_first: bool = True
    contrast: float | None = None
    saturation: float | None = None
    hue: float | None = None
    channel_order: tuple[int, int, int] | None = None


def distort_frame(frame: np.ndarray, draw: PhotometricDraw, overflow: str = 'clip') -> np.ndarray:
    """One frame (H, W, 3) uint8 RGB after the steps of a draw.

    Saturation and hue act in float32 HSV (hue 0..360) on channels read as blue, green, red although they are red,
    green, blue: so does the reference. Both conversions agree, so only the direction of a hue shift is mirrored. Frames
    pass through HSV even when neither step is taken, as in the reference.

    Args:
        frame: the frame.
        draw: the steps.
        overflow: of values outside 0..255: ``'clip'``, or ``'wrap'`` modulo 256 (the reference's cast).
    """
    image = frame.astype(np.float32)
    if draw.brightness is not None:
        image = image + np.float32(draw.brightness)
    if draw.contrast is not None and draw.contrast_first:
        image = image * np.float32(draw.contrast)
    image = _shift_colours(image, draw.saturation, draw.hue)
    if draw.contrast is not None and not draw.contrast_first:
        image = image * np.float32(draw.contrast)
    if draw.channel_order is not None:
        image = image[..., list(draw.channel_order)]
    if overflow == 'wrap':
        return image.astype(np.int64).astype(np.uint8)  # truncated towards zero, then modulo 256
    return np.clip(image, 0, 255).astype(np.uint8)


def distort_frame_in_steps(frame: np.ndarray, draw: PhotometricDraw) -> np.ndarray:
    """One frame (H, W, 3) uint8 RGB after the steps of a draw, each of which ends in uint8 (Isomer, specification 5.2;
    the usual rule of segmentation toolboxes).

    Hue is a whole number added to OpenCV's 8-bit hue (0..179). As in :func:`distort_frame`, channels are read as blue,
    green, red.
    """
    image = frame
    if draw.brightness is not None:
        image = _clipped(image.astype(np.float32) + np.float32(draw.brightness))
    if draw.contrast is not None and draw.contrast_first:
        image = _clipped(image.astype(np.float32) * np.float32(draw.contrast))
    if draw.saturation is not None:
        hsv = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_BGR2HSV)
        hsv[..., 1] = _clipped(hsv[..., 1].astype(np.float32) * np.float32(draw.saturation))
        image = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)
    if draw.hue is not None:
        hsv = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_BGR2HSV)
        hsv[..., 0] = (hsv[..., 0].astype(int) + int(draw.hue)) % 180
        image = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)
    if draw.contrast is not None and not draw.contrast_first:
        image = _clipped(image.astype(np.float32) * np.float32(draw.contrast))
    return image if draw.channel_order is None else image[..., list(draw.channel_order)]


def _clipped(image: np.ndarray) -> np.ndarray:
    return np.clip(image, 0, 255).astype(np.uint8)


def _shift_colours(image: np.ndarray, saturation: float | None, hue: float | None) -> np.ndarray:
    hsv = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_BGR2HSV)
    if saturation is not None:
        hsv[..., 1] *= np.float32(saturation)
    if hue is not None:
        hsv[..., 0] += np.float32(hue)
        hsv[..., 0][hsv[..., 0] > 360] -= 360
        hsv[..., 0][hsv[..., 0] < 0] += 360
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)


@TRANSFORMS.register_module()
class PhotometricDistortClip(ClipTransform):
    """Random colours, drawn per frame (ReferFormer, specification 5.5, step 2), each step with probability one half.

    Args:
        brightness: added, from -brightness .. brightness; 0 = never.
        contrast, saturation: factors, drawn between the two; None = never.
        hue: degrees added, from -hue .. hue; 0 = never.
        permute_channels: permute the channels.
        per_frame: False: one draw for the whole clip.
        in_steps: every step ends in uint8, see :func:`distort_frame_in_steps`; ``hue`` is then of 180 steps, not 360.
        overflow: ``'clip'``, or ``'wrap'`` modulo 256 as the reference does.
        prob: probability of doing anything at all to a clip.
    """

    def __init__(self, *, brightness: float = 32, contrast: tuple[float, float] | None = (0.5, 1.5),
                 saturation: tuple[float, float] | None = (0.5, 1.5), hue: float = 18, permute_channels: bool = True,
                 per_frame: bool = True, in_steps: bool = False, overflow: str = 'clip', prob: float = 1.0) -> None:
        if overflow not in ('clip', 'wrap'):
            raise ValueError(f"PhotometricDistortClip: overflow {overflow!r}, expected 'clip' or 'wrap'")
        if in_steps and overflow != 'clip':
            raise ValueError("PhotometricDistortClip: in_steps always clips; leave overflow at 'clip'")
        if not 0 <= prob <= 1:
            raise ValueError(f'PhotometricDistortClip: prob {prob}, expected 0..1')
        self.brightness, self.contrast, self.saturation, self.hue = brightness, contrast, saturation, hue
        self.permute_channels, self.per_frame, self.overflow, self.prob = permute_channels, per_frame, overflow, prob
        self.in_steps = in_steps

    def draw(self, rng: np.random.Generator) -> PhotometricDraw:
        """Draw the steps of one frame."""
        def maybe(low: float, high: float) -> float | None:
            return float(rng.uniform(low, high)) if rng.random() < 0.5 else None

        brightness = maybe(-self.brightness, self.brightness) if self.brightness else None
        first = bool(rng.random() < 0.5)
        contrast = maybe(*self.contrast) if self.contrast else None
        saturation = maybe(*self.saturation) if self.saturation else None
        hue = maybe(-self.hue, self.hue) if self.hue else None
        hue = hue if hue is None or not self.in_steps else float(np.floor(hue))
        permute = self.permute_channels and rng.random() < 0.5
        order = CHANNEL_ORDERS[int(rng.integers(len(CHANNEL_ORDERS)))] if permute else None
        return PhotometricDraw(brightness, first, contrast, saturation, hue, order)

    def transform(self, results: Results) -> Results:
        """Change the colours of stream ``img``."""
        rng = results['rng']
        if self.prob < 1 and rng.random() >= self.prob:
            return results
        frames = results['frames']['img']
        if frames.dtype != np.uint8:
            raise ValueError(f'PhotometricDistortClip: expected uint8 frames, found {frames.dtype}; put it before a '
                             'resize to floats')
        once = None if self.per_frame else self.draw(rng)
        results['frames']['img'] = np.stack([self._distort(f, once or self.draw(rng)) for f in frames])
        return results

    def _distort(self, frame: np.ndarray, draw: PhotometricDraw) -> np.ndarray:
        return distort_frame_in_steps(frame, draw) if self.in_steps else distort_frame(frame, draw, self.overflow)
