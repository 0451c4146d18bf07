"""A contact sheet: one PNG that shows frames across and expressions down, truth above prediction, the rest dimmed."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mmlvs.io.atomic import atomic_path
from mmlvs.visualization.overlay import draw_lines, line_height, mask_colors, spotlight, wrap_text

_BACKGROUND, _INK, _FAINT = (250, 250, 250), (20, 20, 20), (110, 110, 110)
_TRUTH, _GUESS = mask_colors(2)[1], mask_colors(1)[0]


@dataclass(frozen=True, kw_only=True)
class SheetRow:
    """One expression of a contact sheet.

    Attributes:
        text: the expression.
        frames: (T, H, W, 3) uint8 RGB.
        prediction: (T, H, W) bool.
        target: (T, H, W) bool, or None where there is no public truth.
        note: a few words under the expression, such as the video's name and the score.
    """

    text: str
    frames: np.ndarray
    prediction: np.ndarray
    target: np.ndarray | None = None
    note: str = ''

    def __post_init__(self) -> None:
        size = self.frames.shape[:3]
        if self.frames.ndim != 4 or 0 in size:
            raise ValueError(f'{self.text!r}: expected frames (T, H, W, 3), found {self.frames.shape}')
        for name, masks in (('prediction', self.prediction), ('target', self.target)):
            if masks is not None and masks.shape != size:
                raise ValueError(f'{self.text!r}: expected {name} (T, H, W) = {size}, found {masks.shape}')


def contact_sheet(rows: Sequence[SheetRow], *, columns: int = 6, cell_height: int = 128, title: str = '',
                  text_size: int = 14) -> np.ndarray:
    """Draw a contact sheet.

    Args:
        rows: the expressions; each gets a strip of truth (where known) and one of prediction.
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


def _row_panel(row: SheetRow, *, columns: int, cell_height: int, text_size: int) -> Image.Image:
    """Text at the left, one or two strips of frames at the right."""
    count = len(row.frames)
    shown = np.unique(np.linspace(0, count - 1, num=min(columns, count)).round().astype(int))
    strips = [('prediction', row.prediction, _GUESS)]
    if row.target is not None:
        strips.insert(0, ('truth', row.target, _TRUTH))
    height, width = row.frames.shape[1:3]
    cell = (max(1, round(width * cell_height / height)), cell_height)
    text_width, gap = 13 * text_size, 2
    size = (text_width + len(shown) * (cell[0] + gap), len(strips) * (cell_height + gap))
    panel = Image.new('RGB', size, _BACKGROUND)
    wrapped = wrap_text(row.text, width=text_width - 10, size=text_size)
    draw_lines(panel, wrapped, at=(0, 0), size=text_size, color=_INK)
    note = wrap_text(row.note, width=text_width - 10, size=text_size - 2) if row.note else []
    draw_lines(panel, note, at=(0, 4 + len(wrapped) * line_height(text_size)), size=text_size - 2, color=_FAINT)
    for number, (label, masks, color) in enumerate(strips):
        top = number * (cell_height + gap)
        draw_lines(panel, [label], at=(0, top + cell_height - line_height(text_size)), size=text_size,
                   color=[int(value) * 3 // 4 for value in color])
        for column, step in enumerate(shown):
            frame = np.asarray(Image.fromarray(row.frames[step]).resize(cell, Image.Resampling.LANCZOS))
            mask = np.asarray(Image.fromarray(masks[step]).resize(cell, Image.Resampling.NEAREST))
            picture = Image.fromarray(spotlight(frame, mask, color=color, contour=max(1, cell_height // 128)))
            panel.paste(picture, (text_width + column * (cell[0] + gap), top))
    return panel


def _text_panel(lines: Sequence[str], *, width: int, size: int) -> Image.Image:
    wrapped = [part for line in lines for part in wrap_text(line, width=width, size=size)]
    panel = Image.new('RGB', (width, len(wrapped) * line_height(size) + 4), _BACKGROUND)
    draw_lines(panel, wrapped, at=(0, 0), size=size, color=_INK)
    return panel
