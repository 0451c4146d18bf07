"""What a pipeline yields: the frames of an item with its masks and boxes, and its sentences in the objects' colours."""

import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from mmlvs.io.atomic import atomic_path
from mmlvs.structures import ClipCodec, VideoSegDataSample
from mmlvs.visualization.overlay import draw_lines, line_height, mask_colors, overlay_masks, wrap_text

_BACKGROUND, _INK, _FAINT, _NOBODY = (250, 250, 250), (20, 20, 20), (110, 110, 110), (200, 200, 200)
_GAP, _TEXT_SIZE = 8, 14


def item_panel(item: dict, *, stream: str = 'img', columns: int = 6, cell_height: int = 144, title: str = '',
               max_texts: int = 12) -> np.ndarray:
    """Draw one item: words at the left, frames at the right.

    Objects have a colour each, for mask, box and the squares before the sentences that mean them. Void pixels are grey.

    Args:
        item: ``inputs`` and ``data_samples`` as a pipeline yields them.
        stream: the stream whose frames are shown.
        columns: frames shown, spread evenly over the clip.
        cell_height: height in pixels of a frame in the panel.
        title: a heading; default the video's name.
        max_texts: sentences shown; the rest is counted.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        KeyError: the item has no such stream.
        ValueError: no frame in the stream, or fewer than one column.
    """
    if stream not in item['inputs']:
        raise KeyError(f'no stream {stream!r} in the item; it has {sorted(item["inputs"])}')
    frames, sample = to_pictures(item['inputs'][stream]), item['data_samples']
    if not len(frames) or columns < 1:
        raise ValueError(f'expected a frame and a column, found {len(frames)} frames of stream {stream!r} and '
                         f'{columns} columns')
    shown = np.unique(np.linspace(0, len(frames) - 1, num=min(columns, len(frames))).round().astype(int))
    colors = mask_colors(len(sample.get('gt_masks', ())))
    strip = [_cell(frames[t], sample, int(t), colors, cell_height) for t in shown]
    words = _words(sample, frames.shape[1:3], colors, title=title, max_texts=max_texts)
    widths = [words.width, *(cell.width for cell in strip)]
    panel = Image.new('RGB', (sum(widths) + 2 * len(strip), max(words.height, *(cell.height for cell in strip))),
                      _BACKGROUND)
    left = 0
    for part in (words, *strip):
        panel.paste(part, (left, 0))
        left += part.width + 2
    return np.asarray(panel)


def write_item_sheet(path: str | os.PathLike, panels: Sequence[np.ndarray], *, title: str = '',
                     width: int = 1400) -> Path:
    """Put panels (:func:`item_panel`) into a PNG, atomically, and return its path.

    Args:
        path: the file.
        panels: (H, W, 3) uint8 RGB each.
        title: a heading.
        width: narrow panels stand side by side as long as the sheet does not get wider than this.

    Raises:
        ValueError: there is no panel.
    """
    if not panels:
        raise ValueError('a sheet needs at least one panel')
    cell = max(panel.shape[1] for panel in panels) + 3 * _GAP
    count = min(len(panels), max(1, width // cell))
    rows = [panels[start:start + count] for start in range(0, len(panels), count)]
    size = _TEXT_SIZE + 4
    head = wrap_text(title, width=count * cell - 2 * _GAP, size=size) if title else []
    top = _GAP + len(head) * line_height(size) + (_GAP if head else 0)
    heights = [max(panel.shape[0] for panel in row) + 2 * _GAP for row in rows]
    sheet = Image.new('RGB', (count * cell, top + sum(heights)), _BACKGROUND)
    draw_lines(sheet, head, at=(_GAP, _GAP), size=size, color=_INK)
    draw = ImageDraw.Draw(sheet)
    for number, (row, height) in enumerate(zip(rows, heights, strict=True)):
        if number:
            draw.line([(_GAP, top - _GAP), (sheet.width - _GAP, top - _GAP)], fill=_NOBODY)
        for column, panel in enumerate(row):
            sheet.paste(Image.fromarray(panel), (column * cell + _GAP, top))
        top += height
    with atomic_path(path) as temporary:
        sheet.save(temporary, format='PNG', optimize=True)
    return Path(path)


def to_pictures(frames: Tensor) -> np.ndarray:
    """Frames of an item (T, 3, H, W), uint8 or float in 0..1, as (T, H, W, 3) uint8 RGB."""
    if frames.dtype != torch.uint8:
        frames = (frames.float() * 255).round().clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(frames.permute(0, 2, 3, 1).cpu().numpy())  # T 3 H W -> T H W 3


def _cell(frame: np.ndarray, sample: VideoSegDataSample, t: int, colors: np.ndarray, height: int) -> Image.Image:
    """One frame with its objects, its name below."""
    size = (height, max(1, round(frame.shape[1] * height / frame.shape[0])))
    picture = np.asarray(Image.fromarray(frame).resize(size[::-1], Image.Resampling.LANCZOS))
    if len(colors):
        masks = ClipCodec.resize_masks(sample.gt_masks[:, t].cpu().numpy() > 0, size)  # O H W -> O h w
        picture = overlay_masks(picture, masks, colors=colors, alpha=0.25, contour=2)
    if 'gt_ignore' in sample:
        void = ClipCodec.resize_masks(sample.gt_ignore[t].cpu().numpy(), size)
        picture = np.where(void[..., None], np.uint8(150), picture)
    picture = np.ascontiguousarray(picture)
    if len(colors) and 'gt_boxes' in sample:
        scale = np.array(size[::-1]) / np.array(sample.gt_masks.shape[:1:-1])  # x, y
        for box, valid, color in zip(sample.gt_boxes[:, t].cpu().numpy(), sample.gt_valid[:, t], colors, strict=True):
            if valid:
                corners = (box.reshape(2, 2) * scale).round().astype(int).clip(0, np.array(size[::-1]) - 1)
                cv2.rectangle(picture, corners[0].tolist(), corners[1].tolist(), [int(value) for value in color], 1)
    below = Image.new('RGB', (size[1], height + line_height(_TEXT_SIZE - 2)), _BACKGROUND)
    below.paste(Image.fromarray(picture), (0, 0))
    meta = sample.metainfo
    name = meta['frame_ids'][t] if 'frame_ids' in meta else str(t)
    notes = [] if t in sample.scored_frames else ['context']
    if 'gt_annotated' in sample and not sample.gt_annotated[t]:
        notes.append('not annotated')
    draw_lines(below, [' '.join([name, *notes])], at=(0, height), size=_TEXT_SIZE - 3, color=_FAINT)
    return below


def _words(sample: VideoSegDataSample, size: Sequence[int], colors: np.ndarray, *, title: str,
           max_texts: int) -> Image.Image:
    """Name, sizes and sentences."""
    meta = sample.metainfo
    width, step, square = 18 * _TEXT_SIZE, line_height(_TEXT_SIZE), _TEXT_SIZE - 4
    original = meta.get('ori_shape', size)
    count = sample.num_clip_frames
    note = f'{count} {"frame" if count == 1 else "frames"} of {size[0]} x {size[1]}'
    if tuple(original) != tuple(size):
        note += f' (file {original[0]} x {original[1]})'
    note += ', flipped' if meta.get('flip') else ''
    blocks = [([], wrap_text(title or str(meta.get('video_id', '')), width=width, size=_TEXT_SIZE), _INK),
              ([], wrap_text(note, width=width, size=_TEXT_SIZE - 2), _FAINT)]
    texts = list(meta.get('texts') or ['(no sentence)'] * sample.num_expressions)
    means = sample.get('gt_objects') or [[]] * len(texts)
    for text, objects in list(zip(texts, means, strict=True))[:max_texts]:
        squares = [tuple(int(value) for value in colors[o]) for o in objects] or [_NOBODY]
        blocks.append((squares, wrap_text(text, width=width - (square + 3) * len(squares) - 10, size=_TEXT_SIZE), _INK))
    if len(texts) > max_texts:
        blocks.append(([], [f'and {len(texts) - max_texts} more sentences'], _FAINT))
    panel = Image.new('RGB', (width, sum(step * len(lines) + 4 for _, lines, _ in blocks) + 4), _BACKGROUND)
    draw, top = ImageDraw.Draw(panel), 0
    for squares, lines, color in blocks:
        for k, fill in enumerate(squares):
            left = k * (square + 3)
            draw.rectangle([left, top + 4, left + square, top + 4 + square], fill=fill, outline=_FAINT)
        left = len(squares) * (square + 3) + (3 if squares else 0)
        draw_lines(panel, lines, at=(left, top), size=_TEXT_SIZE - 2 if color == _FAINT else _TEXT_SIZE, color=color)
        top += step * len(lines) + 4
    return panel
