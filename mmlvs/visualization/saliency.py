"""Soft maps drawn over frames: a heat whose colour and strength grow with the value, and its scale."""

from functools import lru_cache

import cv2
import numpy as np
from PIL import Image

from mmlvs.visualization.overlay import dim, draw_lines, line_height, overlay_masks

CONTOUR = (255, 255, 255)


@lru_cache(maxsize=1)
def heat_colors() -> np.ndarray:
    """Colours (256, 3) uint8 RGB of the levels 0..255: black, violet, red, orange, yellow.

    They are OpenCV's INFERNO without its palest end, on which a white line would be lost. Lightness grows from level to
    level, so that the order is seen by colour-blind people and on grey prints too.
    """
    levels = np.linspace(0, 218, num=256).round().astype(np.uint8)[:, None]
    return np.ascontiguousarray(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[:, 0, ::-1])  # BGR -> RGB


def overlay_saliency(frame: np.ndarray, soft: np.ndarray, *, alpha: float = 0.85, threshold: int | None = 128,
                     contour: int = 1) -> np.ndarray:
    """Lay a soft map over a dimmed grey copy of its frame: all colour in the picture is the map's.

    Args:
        frame: (H, W, 3) uint8 RGB; left as it is.
        soft: (H, W) uint8, levels 0..255.
        alpha: strength of the heat at level 255; it falls in proportion to the level, to nothing at 0.
        threshold: pixels above this level are outlined in white; None for no outline.
        contour: width of the outline in pixels.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ValueError: shapes or kinds that do not fit.
    """
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        raise ValueError(f'expected a frame (H, W, 3) uint8, found {frame.dtype} {frame.shape}')
    if soft.shape != frame.shape[:2] or soft.dtype != np.uint8:
        raise ValueError(f'expected a soft map {frame.shape[:2]} uint8 as large as the frame, found {soft.dtype} '
                         f'{soft.shape}')
    if not 0 <= alpha <= 1:
        raise ValueError(f'expected alpha in 0..1, found {alpha}')
    strength = alpha * soft[..., None].astype(np.float32) / 255
    below = dim(frame, brightness=0.4, saturation=0.0)
    drawn = np.round((1 - strength) * below + strength * heat_colors()[soft]).astype(np.uint8)
    if threshold is None:
        return drawn
    return overlay_masks(drawn, soft > threshold, colors=np.array([CONTOUR]), alpha=0.0, contour=contour)


def heat_scale(height: int, *, threshold: int | None = 128, text_size: int = 10, width: int = 10) -> np.ndarray:
    """The colours of the levels, 255 above and 0 below, with a white line and its number at the threshold.

    Returns:
        (height, W, 3) uint8 RGB on white paper, W as the numbers need it.
    """
    levels = np.linspace(255, 0, num=height).round().astype(int)
    bar = np.repeat(heat_colors()[levels][:, None], width, axis=1)  # H 3 -> H W 3
    numbers = Image.new('RGB', (2 * text_size + 2, height), (250, 250, 250))
    line = line_height(text_size)
    shown = {255: 0, 0: height - line}
    if threshold is not None:
        at = round((255 - threshold) / 255 * (height - 1))
        bar[at] = CONTOUR
        shown[threshold] = min(max(at - line // 2, line), height - 2 * line)  # between the other two
    for level, top in shown.items():
        draw_lines(numbers, [str(level)], at=(3, top), size=text_size, color=(110, 110, 110))
    return np.concatenate([bar, np.asarray(numbers)], axis=1)
