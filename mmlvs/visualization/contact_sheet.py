"""A contact sheet: one PNG that shows frames across and expressions down, truth above prediction, the rest dimmed."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mmlvs.io.atomic import atomic_path
from mmlvs.visualization.overlay import draw_lines, font, line_height, mask_colors, spotlight, wrap_text
from mmlvs.visualization.saliency import heat_colors, heat_scale, overlay_saliency

_BACKGROUND, _BLANK, _INK, _FAINT = (250, 250, 250), (225, 225, 225), (20, 20, 20), (110, 110, 110)
_TRUTH, _GUESS = mask_colors(2)[1], mask_colors(1)[0]
_SOFT = 'saliency'


@dataclass(frozen=True, kw_only=True)
class SheetRow:
    """One expression of a contact sheet, or the one foreground of a method without text.

    Attributes:
        text: the expression; '' for none.
        frames: (T, H, W, 3) uint8 RGB.
        prediction: (T, H, W) bool.
        target: (T, H, W) bool; uint8 for soft truth, levels 0..255, drawn like a soft map; None without public truth.
        note: a few words under the expression, such as the video's name and the score.
        soft: (T, H, W) uint8, the predicted soft map; adds strips of the frames as they are and of the map.
        threshold: level of the soft map above which a pixel is foreground, outlined.
        flow: (T, h, w, 3) uint8 RGB of any size, flow images; adds a strip of them.
        annotated: (T,) bool, frames that have truth; the others' truth is left blank. None: all have.
    """

    text: str
    frames: np.ndarray
    prediction: np.ndarray
    target: np.ndarray | None = None
    note: str = ''
    soft: np.ndarray | None = None
    threshold: int = 128
    flow: np.ndarray | None = None
    annotated: np.ndarray | None = None

    def __post_init__(self) -> None:
        size = self.frames.shape[:3]
        if self.frames.ndim != 4 or 0 in size:
            raise ValueError(f'{self.text!r}: expected frames (T, H, W, 3), found {self.frames.shape}')
        for name, masks in (('prediction', self.prediction), ('target', self.target), ('soft', self.soft)):
            if masks is not None and masks.shape != size:
                raise ValueError(f'{self.text!r}: expected {name} (T, H, W) = {size}, found {masks.shape}')
        if self.soft is not None and self.soft.dtype != np.uint8:
            raise ValueError(f'{self.text!r}: expected soft in levels 0..255 (uint8), found {self.soft.dtype}')
        if self.flow is not None and (self.flow.ndim != 4 or len(self.flow) != size[0] or self.flow.dtype != np.uint8):
            raise ValueError(f'{self.text!r}: expected flow ({size[0]}, h, w, 3) uint8, found {self.flow.dtype} '
                             f'{self.flow.shape}')


def contact_sheet(rows: Sequence[SheetRow], *, columns: int = 6, cell_height: int = 128, title: str = '',
                  text_size: int = 14) -> np.ndarray:
    """Draw a contact sheet.

    Args:
        rows: the expressions; each gets a strip of truth (where known) and one of prediction. One with a soft map gets
            strips of frames, flow images (where known), truth, soft map and mask.
        columns: frames shown, spread evenly over a video; a shorter video shows all its frames.
        cell_height: height in pixels of one frame in the sheet; widths follow each video's shape.
        title: a heading.
        text_size: height of the letters in pixels.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ValueError: no row, or fewer than one column.
    """
    if not rows or columns < 1:
        raise ValueError(f'a contact sheet needs a row and a column, found {len(rows)} rows and {columns} columns')
    panels = [_row_panel(row, columns=columns, cell_height=cell_height, text_size=text_size) for row in rows]
    if title:
        panels.insert(0, _text_panel([title], width=max(panel.width for panel in panels), size=text_size + 4))
    gap = 8
    sheet = Image.new('RGB', (max(panel.width for panel in panels) + 2 * gap,
                              sum(panel.height + gap for panel in panels) + gap), _BACKGROUND)
    top = gap
    for panel in panels:
        sheet.paste(panel, (gap, top))
        top += panel.height + gap
    return np.asarray(sheet)


def write_contact_sheet(path: str | os.PathLike, rows: Sequence[SheetRow], *, columns: int = 6, cell_height: int = 128,
                        title: str = '') -> Path:
    """Draw a contact sheet into a PNG, atomically, and return its path. Arguments: see ``contact_sheet``."""
    image = Image.fromarray(contact_sheet(rows, columns=columns, cell_height=cell_height, title=title))
    with atomic_path(path) as temporary:
        image.save(temporary, format='PNG', optimize=True)
    return Path(path)


def spread(count: int, columns: int) -> np.ndarray:
    """Indices of at most ``columns`` of ``count`` frames, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, num=min(columns, count)).round().astype(int))


def _row_panel(row: SheetRow, *, columns: int, cell_height: int, text_size: int) -> Image.Image:
    """Text and names at the left, strips of frames at the right."""
    shown = spread(len(row.frames), columns)
    strips = _strips(row, contour=max(1, cell_height // 128))
    height, width = row.frames.shape[1:3]
    cell = (max(1, round(width * cell_height / height)), cell_height)
    scale = None if row.soft is None else Image.fromarray(heat_scale(cell_height, threshold=row.threshold,
                                                                     text_size=text_size - 4))
    text_width, gap = 13 * text_size, 2
    if scale is not None and not (row.text or row.note):  # no column for words that are not there
        text_width = round(max(font(text_size).getlength(label) for label, _, _ in strips)) + scale.width + 16
    size = (text_width + len(shown) * (cell[0] + gap), len(strips) * (cell_height + gap))
    panel = Image.new('RGB', size, _BACKGROUND)
    wrapped = wrap_text(row.text, width=text_width - 10, size=text_size)
    draw_lines(panel, wrapped, at=(0, 0), size=text_size, color=_INK)
    note = wrap_text(row.note, width=text_width - 10, size=text_size - 2) if row.note else []
    draw_lines(panel, note, at=(0, 4 + len(wrapped) * line_height(text_size)), size=text_size - 2, color=_FAINT)
    for number, (label, color, _) in enumerate(strips):
        top = number * (cell_height + gap)
        draw_lines(panel, [label], at=(0, top + cell_height - line_height(text_size)), size=text_size,
                   color=[int(value) * 3 // 4 for value in color])
        if label == _SOFT:
            panel.paste(scale, (text_width - scale.width - 4, top))
    for column, step in enumerate(shown):
        frame = np.asarray(Image.fromarray(row.frames[step]).resize(cell, Image.Resampling.LANCZOS))
        for number, (_, _, draw) in enumerate(strips):
            panel.paste(Image.fromarray(draw(step, frame)),
                        (text_width + column * (cell[0] + gap), number * (cell_height + gap)))
    return panel


def _strips(row: SheetRow, *, contour: int) -> list[tuple[str, Sequence[int], Callable[[int, np.ndarray], np.ndarray]]]:
    """Name, colour of the name, and what draws a cell from a position and the frame in the cell's size."""
    def masks(values: np.ndarray, color: Sequence[int]) -> Callable[[int, np.ndarray], np.ndarray]:
        return lambda step, frame: spotlight(frame, _resized(values[step], frame, Image.Resampling.NEAREST),
                                             color=color, contour=contour)

    def heat(values: np.ndarray) -> Callable[[int, np.ndarray], np.ndarray]:
        return lambda step, frame: overlay_saliency(frame, _resized(values[step], frame, Image.Resampling.BILINEAR),
                                                    threshold=row.threshold, contour=contour)

    def truth(step: int, frame: np.ndarray) -> np.ndarray:
        if row.annotated is not None and not row.annotated[step]:
            blank = Image.new('RGB', frame.shape[1::-1], _BLANK)
            draw_lines(blank, ['not annotated'], at=(4, 2), size=11, color=_FAINT)
            return np.asarray(blank)
        return (masks(row.target, _TRUTH) if row.target.dtype == np.bool_ else heat(row.target))(step, frame)

    strips = [] if row.soft is None else [('frame', _INK, lambda step, frame: frame)]
    if row.flow is not None:
        strips.append(('flow', _INK, lambda step, frame: _resized(row.flow[step], frame, Image.Resampling.LANCZOS)))
    if row.target is not None:
        strips.append(('truth', _TRUTH, truth))
    if row.soft is not None:
        strips.append((_SOFT, heat_colors()[150], heat(row.soft)))
    return [*strips, ('prediction' if row.soft is None else 'mask', _GUESS, masks(row.prediction, _GUESS))]


def _resized(values: np.ndarray, frame: np.ndarray, how: Image.Resampling) -> np.ndarray:
    """A picture or a map in the size of a cell's frame."""
    return np.asarray(Image.fromarray(values).resize(frame.shape[1::-1], how))


def _text_panel(lines: Sequence[str], *, width: int, size: int) -> Image.Image:
    wrapped = [part for line in lines for part in wrap_text(line, width=width, size=size)]
    panel = Image.new('RGB', (width, len(wrapped) * line_height(size) + 4), _BACKGROUND)
    draw_lines(panel, wrapped, at=(0, 0), size=size, color=_INK)
    return panel
