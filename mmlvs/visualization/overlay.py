"""Masks drawn over frames: a translucent colour, a contour, a caption."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

# Okabe and Ito's colours, told apart with colour-blind eyes too; black and grey left out.
_COLORS = np.array([
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167),
], np.uint8)


def mask_colors(count: int) -> np.ndarray:
    """``count`` colours (count, 3) uint8 RGB, from the eighth on darker repetitions."""
    index = np.arange(count)
    shade = 0.7 ** (index // len(_COLORS))
    return (_COLORS[index % len(_COLORS)] * shade[:, None]).astype(np.uint8)


def overlay_masks(frame: np.ndarray, masks: np.ndarray, *, colors: np.ndarray | None = None, alpha: float = 0.5,
                  contour: int = 2) -> np.ndarray:
    """Lay masks over a frame; later masks lie on top.

    Args:
        frame: (H, W, 3) uint8 RGB; left as it is.
        masks: (N, H, W) bool, or (H, W) for one.
        colors: (N, 3) uint8 RGB; default ``mask_colors(N)``.
        alpha: 0 shows the frame alone, 1 the colour alone.
        contour: width in pixels of the line around each mask; 0 for none.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ValueError: shapes or kinds that do not fit.
    """
    masks = np.asarray(masks)
    masks = masks[None] if masks.ndim == 2 else masks
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        raise ValueError(f'expected a frame (H, W, 3) uint8, found {frame.dtype} {frame.shape}')
    if masks.ndim != 3 or masks.shape[1:] != frame.shape[:2] or masks.dtype != np.bool_:
        raise ValueError(f'expected boolean masks (N, {frame.shape[0]}, {frame.shape[1]}) as large as the frame, found '
                         f'{masks.dtype} {masks.shape}')
    if not 0 <= alpha <= 1:
        raise ValueError(f'expected alpha in 0..1, found {alpha}')
    colors = mask_colors(len(masks)) if colors is None else np.asarray(colors, np.uint8)
    if colors.shape != (len(masks), 3):
        raise ValueError(f'expected one colour a mask, ({len(masks)}, 3), found {colors.shape}')
    drawn = np.ascontiguousarray(frame).copy()
    for mask, color in zip(masks, colors, strict=True):
        drawn[mask] = np.round((1 - alpha) * drawn[mask] + alpha * color).astype(np.uint8)
        if contour > 0:
            lines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(drawn, lines, -1, [int(value) for value in color], contour)
    return drawn


def dim(frame: np.ndarray, *, brightness: float = 0.5, saturation: float = 0.35) -> np.ndarray:
    """A darker, paler copy of a frame (H, W, 3) uint8 RGB, on which masks stand out and colours can still be told."""
    grey = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
    return np.round(brightness * (grey + saturation * (frame - grey))).astype(np.uint8)


def spotlight(frame: np.ndarray, mask: np.ndarray, *, color: Sequence[int], contour: int = 2) -> np.ndarray:
    """Show a frame as it is inside a mask and dimmed outside, with a line around the mask.

    Readable whatever colours the scene has, where a translucent mask of nearly the object's own colour is not.

    Args:
        frame: (H, W, 3) uint8 RGB.
        mask: (H, W) bool.
        color: RGB of the line.
        contour: width of the line in pixels; 0 for none.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    shown = np.where(mask[..., None], frame, dim(frame))
    return overlay_masks(shown, mask, colors=np.asarray(color)[None], alpha=0.0, contour=contour)


def add_caption(image: np.ndarray, text: str, *, size: int = 14, color: Sequence[int] = (255, 255, 255),
                lines: int | None = None) -> np.ndarray:
    """Put a dark band with wrapped text under an image.

    Args:
        image: (H, W, 3) uint8 RGB.
        text: the caption; line breaks are kept, long lines are wrapped at blanks.
        size: height of the letters in pixels.
        color: RGB of the letters.
        lines: height of the band in lines of text; default as many as the text takes. More text is cut with "…".

    Returns:
        (H + band, W, 3) uint8 RGB.
    """
    wrapped = wrap_text(text, width=image.shape[1] - 8, size=size)
    count = len(wrapped) if lines is None else lines
    if len(wrapped) > count:
        wrapped = [*wrapped[:count - 1], wrapped[count - 1] + ' …']
    band = Image.new('RGB', (image.shape[1], count * line_height(size) + 6), (24, 24, 24))
    draw_lines(band, wrapped, at=(4, 3), size=size, color=color)
    return np.concatenate([image, np.asarray(band)], axis=0)


def overlay_video(frames: np.ndarray, masks: np.ndarray, *, texts: Sequence[str], alpha: float = 0.5, contour: int = 2,
                  scale: int = 1, beside: bool = False) -> Iterator[np.ndarray]:
    """Frames with the masks of several expressions and their captions in the masks' colours.

    Args:
        frames: (T, H, W, 3) uint8 RGB.
        masks: (N, T, H, W) bool, one row an expression.
        texts: the N expressions.
        alpha: see ``overlay_masks``.
        contour: see ``overlay_masks``.
        scale: enlarge small frames by this whole number before drawing.
        beside: show the frame at the left and the masks over a dimmed copy at the right, twice as wide.

    Yields:
        T pictures of one size, (scale * H + band, scale * W, 3) uint8 RGB.

    Raises:
        ValueError: shapes that do not fit.
    """
    if masks.ndim != 4 or masks.shape[:2] != (len(texts), len(frames)):
        raise ValueError(f'expected masks (N, T, H, W) = ({len(texts)}, {len(frames)}, ...), found {masks.shape}')
    if scale < 1:
        raise ValueError(f'expected a scale of at least 1, found {scale}')
    colors = mask_colors(len(texts))
    for step, frame in enumerate(frames):
        large = enlarge(frame, scale)
        below = dim(large) if beside else large
        picture = overlay_masks(below, enlarge(masks[:, step], scale), colors=colors, alpha=alpha, contour=contour)
        if beside:
            picture = np.concatenate([large, picture], axis=1)
        for text, color in zip(texts, colors, strict=True):
            picture = add_caption(picture, text, color=[int(value) for value in color])
        yield picture


def enlarge(array: np.ndarray, scale: int) -> np.ndarray:
    """Repeat pixels ``scale`` times: of a frame (H, W, 3), a mask (H, W) or masks (N, H, W)."""
    rows = 0 if array.ndim == 2 or array.shape[-1] == 3 else 1
    return array.repeat(scale, axis=rows).repeat(scale, axis=rows + 1)


@lru_cache(maxsize=32)
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's built-in font: nothing has to be installed."""
    return ImageFont.load_default(size)


def line_height(size: int) -> int:
    """Distance in pixels from one line of text to the next."""
    return round(size * 1.35)


def wrap_text(text: str, *, width: int, size: int) -> list[str]:
    """Break text at blanks into lines of at most ``width`` pixels; a longer word keeps a line of its own."""
    lines = []
    for paragraph in text.splitlines() or ['']:
        line = ''
        for word in paragraph.split():
            longer = f'{line} {word}'.strip()
            if line and font(size).getlength(longer) > width:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return lines


def draw_lines(image: Image.Image, lines: Sequence[str], *, at: tuple[int, int], size: int,
               color: Sequence[int]) -> None:
    """Write lines of text into an image, the first with its upper left corner ``at`` (x, y)."""
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((at[0], at[1] + number * line_height(size)), line, fill=tuple(color), font=font(size))
