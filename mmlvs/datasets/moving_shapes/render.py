"""Draws moving shapes: exact masks, smooth edges, textured surfaces and a textured, smooth background."""

from __future__ import annotations

import cv2
import numpy as np

from mmlvs.datasets.moving_shapes.scene import Scene, ShapeObject

PALETTE = {
    'red': (205, 38, 38),
    'green': (38, 160, 62),
    'blue': (42, 78, 215),
    'yellow': (232, 208, 40),
    'purple': (150, 45, 190),
    'white': (238, 238, 238),
}
_OVERSAMPLING = 4
_FIXED_POINT = 4  # fractional bits of the coordinates handed to OpenCV


# ---------------------------------------------------------------- outlines, for a circle of radius 1
def _star() -> np.ndarray:
    angle = -0.5 * np.pi + np.pi * np.arange(10) / 5
    radius = np.where(np.arange(10) % 2 == 0, 1.4, 0.62)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def _triangle() -> np.ndarray:
    angle = -0.5 * np.pi + 2 * np.pi * np.arange(3) / 3
    return 1.4 * np.stack([np.cos(angle), np.sin(angle)], axis=1) + (0, 0.15)


def _cross(arm: float = 1.15, half: float = 0.42) -> np.ndarray:
    quarter = np.array([(half, -arm), (half, -half), (arm, -half)])
    turns = [np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) for a in 0.5 * np.pi * np.arange(4)]
    return np.concatenate([quarter @ turn.T for turn in turns])


OUTLINES = {
    'square': 0.9 * np.array([(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)]),
    'triangle': _triangle(),
    'star': _star(),
    'cross': _cross(),
}
_ROUND = {'circle': (1.0, 0.0), 'ring': (1.1, 0.6)}  # outer and inner radius


class Stamp:
    """One object in one frame: a small patch with its place. `alpha` (h, w) float32 coverage, `mask` (h, w) bool,
    `x`, `y` (h, w) float32 coordinates in the object's own frame, in units of its radius; `rows`, `columns` slices."""

    def __init__(self, *, one: ShapeObject, center: np.ndarray, height: int, width: int) -> None:
        reach = int(np.ceil(1.45 * one.radius)) + 2
        left, top = int(np.floor(center[0])) - reach, int(np.floor(center[1])) - reach
        alpha = _coverage(one, center - (left, top), 2 * reach + 1)
        x0, x1 = np.clip([left, left + 2 * reach + 1], 0, width)
        y0, y1 = np.clip([top, top + 2 * reach + 1], 0, height)
        self.rows, self.columns = slice(y0, y1), slice(x0, x1)
        self.alpha = alpha[y0 - top : y1 - top, x0 - left : x1 - left]
        self.mask = self.alpha >= 0.5
        self.full_area = int((alpha >= 0.5).sum())
        self._origin = center
        self._scale = one.radius

    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        """(h, w) coordinates x, y of the patch's pixels from the object's centre, in units of its radius."""
        x = (np.arange(self.columns.start, self.columns.stop, dtype=np.float32) - self._origin[0]) / self._scale
        y = (np.arange(self.rows.start, self.rows.stop, dtype=np.float32) - self._origin[1]) / self._scale
        return np.meshgrid(x.astype(np.float32), y.astype(np.float32))


def _coverage(one: ShapeObject, center: np.ndarray, side: int) -> np.ndarray:
    """Share of each pixel of a (side, side) patch that the object covers, float32; center: (x, y) in the patch."""
    scale = _OVERSAMPLING
    canvas = np.zeros((side * scale, side * scale), np.uint8)
    middle = (np.asarray(center) + 0.5) * scale - 0.5
    fixed = 1 << _FIXED_POINT
    if one.shape in _ROUND:
        place = tuple(int(value) for value in np.round(middle * fixed))
        for share, value in zip(_ROUND[one.shape], (255, 0), strict=True):
            if share:
                cv2.circle(canvas, place, int(round(share * one.radius * scale * fixed)), value, -1, 8, _FIXED_POINT)
    else:
        turn = np.array([[np.cos(one.angle), -np.sin(one.angle)], [np.sin(one.angle), np.cos(one.angle)]])
        corners = OUTLINES[one.shape] @ turn.T * (one.radius * scale) + middle
        cv2.fillPoly(canvas, [np.round(corners * fixed).astype(np.int32)], 255, 8, _FIXED_POINT)
    return cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


# ---------------------------------------------------------------- masks and what can be measured on them
class SceneMasks:
    """Where the objects of a scene are, frame by frame.

    Args:
        scene: objects and camera.
        height: of the frames in pixels.
        width: of the frames in pixels.

    Attributes:
        stamps: [frame][object] patches.
        index: (T, H, W) uint8, the number (from 1) of the object that is seen at each pixel, 0 background.
        area: (O, T) visible pixels.
        cover: (T, O, O) pixels of object i (second axis) that are hidden and show object j (third axis) instead.
        full_area: (O,) pixels of the whole object.
    """

    def __init__(self, *, scene: Scene, height: int, width: int) -> None:
        objects, frames = scene.objects, len(scene.camera)
        order = far_to_near(objects)
        self.stamps = [
            [Stamp(one=one, center=one.track[t], height=height, width=width) for one in objects] for t in range(frames)
        ]
        self.index = np.zeros((frames, height, width), np.uint8)
        self.cover = np.zeros((frames, len(objects), len(objects)), np.int64)
        for t, stamps in enumerate(self.stamps):
            for i in order:
                self.index[t, stamps[i].rows, stamps[i].columns][stamps[i].mask] = i + 1
            for i, stamp in enumerate(stamps):
                shown = self.index[t, stamp.rows, stamp.columns][stamp.mask]
                self.cover[t, i] = np.bincount(shown, minlength=len(objects) + 1)[1:]
        self.area = self.cover.diagonal(axis1=1, axis2=2).T.copy()  # what an object shows of itself
        self.cover[:, np.arange(len(objects)), np.arange(len(objects))] = 0
        self.full_area = np.array([stamp.full_area for stamp in self.stamps[0]])


def far_to_near(objects: list[ShapeObject]) -> list[int]:
    """Indices of the objects in the order of painting."""
    return sorted(range(len(objects)), key=lambda i: -objects[i].depth)


# ---------------------------------------------------------------- pictures
def draw_background(rng: np.random.Generator, height: int, width: int, margin: int = 0) -> np.ndarray:
    """A muted, smooth texture of three scales: float32 (height + 2 margin, width + 2 margin, 3) in 0..255."""
    size = (width + 2 * margin, height + 2 * margin)
    base = rng.uniform(70, 140) + rng.uniform(-14, 14, 3)
    picture = np.tile(base.astype(np.float32), (size[1], size[0], 1))
    for cells, amplitude, channels in ((4, 16.0, 3), (9, 9.0, 3), (20, 7.0, 1)):
        noise = rng.uniform(-1, 1, (cells, cells, channels)).astype(np.float32) * amplitude
        layer = cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC)
        picture += layer.reshape(size[1], size[0], channels)  # cv2 drops a last axis of one channel
    return np.clip(picture, 20, 200)


def _surface(one: ShapeObject, x: np.ndarray, y: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Colour (h, w, 3) float32 of an object at own coordinates x, y (h, w); light: (2,) direction of the light."""
    texture = one.texture
    frequency = np.pi / texture['period']
    u = frequency * (np.cos(texture['angle']) * x + np.sin(texture['angle']) * y) + texture['phase'][0]
    v = frequency * (np.cos(texture['angle']) * y - np.sin(texture['angle']) * x) + texture['phase'][1]
    if texture['kind'] == 'stripes':
        pattern = np.sin(u)
    elif texture['kind'] == 'checks':
        pattern = np.sin(u) * np.sin(v)
    else:
        pattern = 0.5 * (np.sin(u + 0.8 * np.sin(v)) + np.sin(0.6 * v - u))
    shade = 1 + texture['contrast'] * pattern + 0.12 * (light[0] * x + light[1] * y)
    color = np.asarray(PALETTE[one.color], np.float32) + np.asarray(texture['tint'], np.float32)
    return (shade[..., None] * color).astype(np.float32)


def draw_frames(rng: np.random.Generator, scene: Scene, masks: SceneMasks) -> np.ndarray:
    """Draws the video. Returns uint8 RGB (T, H, W, 3)."""
    frames, height, width = masks.index.shape
    margin = int(np.ceil(np.abs(scene.camera).max())) + 1
    background = draw_background(rng, height, width, margin)
    direction = rng.uniform(0, 2 * np.pi)
    light = np.array([np.cos(direction), np.sin(direction)], np.float32)
    brightness = 1 + 0.02 * np.sin(rng.uniform(0, 2 * np.pi) + np.linspace(0, 2 * np.pi * rng.uniform(0.3, 1), frames))
    order = far_to_near(scene.objects)
    video = np.empty((frames, height, width, 3), np.uint8)
    for t in range(frames):
        center = (margin + (width - 1) / 2 - scene.camera[t, 0], margin + (height - 1) / 2 - scene.camera[t, 1])
        picture = cv2.getRectSubPix(background, (width, height), center)
        for i in order:
            stamp = masks.stamps[t][i]
            if stamp.alpha.size == 0:
                continue
            patch = picture[stamp.rows, stamp.columns]
            x, y = stamp.grid()
            patch += stamp.alpha[..., None] * (_surface(scene.objects[i], x, y, light) - patch)
        video[t] = np.clip(np.rint(picture * brightness[t]), 0, 255).astype(np.uint8)
    return video
