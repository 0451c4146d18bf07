"""What happens in a video of moving shapes: settings, objects, their attributes and their paths.

Everything here is geometry and chance; nothing is drawn. Positions are pixels of the frame, (x, y), with the centre of
the top left pixel at (0, 0). Every random draw comes from the generator that is handed in.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

SHAPES = ('circle', 'square', 'triangle', 'star', 'cross', 'ring')
COLORS = ('red', 'green', 'blue', 'yellow', 'purple', 'white')
SIZES = ('small', 'large')
MOTIONS = ('straight', 'turn', 'stop', 'bounce', 'enter', 'leave', 'still')

# diameters: of the shorter side of the frame
LEVELS = {
    'easy': dict(objects=(2, 3), frames=12, diameters=dict(small=28 / 128, large=46 / 128)),
    'full': dict(objects=(3, 6), frames=24, diameters=dict(small=24 / 128, large=40 / 128)),
}
FORMS = ('rvos', 'zero-shot')
MIN_VISIBLE = 30 / 128**2  # of the frame's area: an object with fewer visible pixels counts as not visible
HEADINGS = (0.0, 0.5 * np.pi, np.pi, 1.5 * np.pi)  # right, down, left, up
_TRIES = 50


@dataclass(frozen=True)
class MovingShapesSettings:
    """What a data set of moving shapes looks like; the same settings always give the same bytes.

    Args:
        level: 'easy' (2-3 objects, 12 frames, appearance clues) or 'full' (3-6 objects, 24 frames, all clues).
        form: 'rvos' (objects and sentences) or 'zero-shot' (one object moves by itself, no sentences).
        seed: any integer >= 0.
        height: of the frames, in pixels, at least 64.
        width: of the frames, in pixels, at least 64.
        frames: of a video, at least 8; 0 takes the level's number.

    Raises:
        ValueError: if a setting is outside these limits.
    """

    level: str = 'easy'
    form: str = 'rvos'
    seed: int = 0
    height: int = 128
    width: int = 128
    frames: int = 0

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise ValueError(f'level must be one of {sorted(LEVELS)}, found {self.level!r}')
        if self.form not in FORMS:
            raise ValueError(f'form must be one of {list(FORMS)}, found {self.form!r}')
        if self.seed < 0:
            raise ValueError(f'seed must be an integer >= 0, found {self.seed}')
        if min(self.height, self.width) < 64:
            raise ValueError(f'frames must measure at least 64 x 64 pixels, found {self.height} x {self.width}')
        if self.frames == 0:
            object.__setattr__(self, 'frames', LEVELS[self.level]['frames'])
        if self.frames < 8:
            raise ValueError(f'a video needs at least 8 frames to show its motion, found {self.frames}')

    @property
    def side(self) -> int:
        """The shorter side of the frame: the unit of all lengths."""
        return min(self.height, self.width)


@dataclass
class ShapeObject:
    """One object: what it looks like and where it is in every frame.

    Attributes:
        shape, color, size, motion: names from the lists above.
        radius: of the circle of the same size, in pixels.
        angle: fixed tilt in radians.
        track: (T, 2) centre (x, y) of the object in every frame, also where it is hidden or outside.
        depth: 0 is nearest to the viewer; nearer objects cover farther ones.
        texture: parameters of the surface pattern (see render.py).
    """

    shape: str
    color: str
    size: str
    motion: str
    radius: float
    angle: float
    track: np.ndarray
    depth: int = 0
    texture: dict = field(default_factory=dict)


@dataclass
class Scene:
    """All objects of a video, and the camera: (T, 2) shift of the background in pixels (zero if it stands still)."""

    objects: list[ShapeObject]
    camera: np.ndarray


# ---------------------------------------------------------------- paths (relative, starting anywhere), each (T, 2)
def _polyline(heading: np.ndarray, speed: np.ndarray) -> np.ndarray:
    """Adds up steps. heading, speed: (T-1,) of the step after each frame. Returns (T, 2)."""
    steps = np.stack([np.cos(heading), np.sin(heading)], axis=1) * speed[:, None]
    return np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])


def _line(frames: int, length: float, heading: float) -> np.ndarray:
    return _polyline(np.full(frames - 1, heading), np.full(frames - 1, length / (frames - 1)))


def _stop(rng: np.random.Generator, frames: int, length: float, heading: float) -> np.ndarray:
    moving = int(round(rng.uniform(0.4, 0.6) * (frames - 1)))
    speed = np.zeros(frames - 1)
    speed[:moving] = max(length, 0.0) / moving
    return _polyline(np.full(frames - 1, heading), speed)


def _turn(rng: np.random.Generator, frames: int, length: float, heading: float) -> np.ndarray:
    angle = rng.uniform(0.6, 1.0) * np.pi * rng.choice([-1, 1])
    return _polyline(heading + np.linspace(0, angle, frames - 1), np.full(frames - 1, length / (frames - 1)))


def _bounce(rng: np.random.Generator, frames: int, length: float, heading: float, low: np.ndarray, high: np.ndarray):
    """A straight path folded back at the borders `low`, `high` (2,) of the area; absolute positions, (T, 2)."""
    extent = high - low
    line = _line(frames, length, heading)
    wall = rng.uniform(0.35, 0.65) * length  # way to the wall
    axis = int(abs(np.sin(heading)) > 0.7071)
    start = rng.uniform(low, high)
    forward = np.cos(heading) if axis == 0 else np.sin(heading)
    start[axis] = (high[axis] - wall * forward) if forward > 0 else (low[axis] - wall * forward)
    folded = (start - low + line) % (2 * extent)
    return low + np.where(folded > extent, 2 * extent - folded, folded)


def _place(rng: np.random.Generator, path: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray | None:
    """Moves a relative path to a random place where it lies between low and high (2,); None if it is too long."""
    free_low, free_high = low - path.min(axis=0), high - path.max(axis=0)
    if (free_low > free_high).any():
        return None
    return path + rng.uniform(free_low, free_high)


def _through_border(
    rng: np.random.Generator, path: np.ndarray, size: np.ndarray, reach: float, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Places a straight path so that it begins just outside the frame. size: (width, height); reach: object radius."""
    step = path[-1] - path[0]
    axis = int(abs(step[1]) > abs(step[0]))
    start = rng.uniform(low, high)
    side = 1 - axis  # the other axis: the path stays inside
    start[side] = np.clip(start[side], low[side] - min(0, step[side]), high[side] - max(0, step[side]))
    start[axis] = -reach - 2 if step[axis] > 0 else size[axis] + reach + 1
    return path + start


def sample_track(
    rng: np.random.Generator, settings: MovingShapesSettings, motion: str, radius: float, heading: float | None
) -> np.ndarray:
    """Draws a path of the wanted kind that stays inside the frame (or crosses its border, 'enter' and 'leave').

    Args:
        heading: first direction of the motion in radians (0 right, pi/2 down); None draws one.

    Returns:
        (T, 2) centres in pixels.
    """
    frames, side = settings.frames, settings.side
    size = np.array([settings.width, settings.height], dtype=np.float64)
    margin = 1.15 * radius
    low, high = np.full(2, margin), size - 1 - margin
    for attempt in range(_TRIES):
        angle = rng.uniform(0, 2 * np.pi) if heading is None else heading + rng.uniform(-0.15, 0.15)
        shrink = 1.0 - 0.5 * attempt / _TRIES  # a path that does not fit is drawn shorter
        length = rng.uniform(0.4, 0.75) * side * shrink
        if motion == 'still':
            path = np.zeros((frames, 2))
        elif motion == 'straight':
            path = _line(frames, length, angle)
        elif motion == 'stop':
            path = _stop(rng, frames, length, angle)
        elif motion == 'turn':
            path = _turn(rng, frames, length * 1.6, angle)
        elif motion == 'bounce':
            return _bounce(rng, frames, rng.uniform(0.8, 1.1) * side, angle, low, high)
        elif motion in ('enter', 'leave'):
            path = _line(frames, rng.uniform(0.6, 0.8) * side + 2 * radius, angle)
            track = _through_border(rng, path, size, 1.5 * radius, low, high)
            return track if motion == 'enter' else track[::-1].copy()
        else:
            raise ValueError(f'motion must be one of {list(MOTIONS)}, found {motion!r}')
        track = _place(rng, path, low, high)
        if track is not None:
            return track
    raise RuntimeError(f'no path of kind {motion!r} fits a frame of {settings.height} x {settings.width} pixels')


# ---------------------------------------------------------------- attributes: shared, so that one word is not enough
def sample_attributes(rng: np.random.Generator, count: int) -> list[tuple[str, str, str]]:
    """Draws (shape, color, size) for each object so that objects share them and no two are alike in all three."""
    if count == 3 and rng.random() < 0.7:
        return _pairwise_alike(rng)
    while True:
        shapes = rng.choice(SHAPES, size=min(count, 2 + int(rng.random() < 0.35)), replace=False)
        colors = rng.choice(COLORS, size=min(count, 2 + int(rng.random() < 0.35)), replace=False)
        drawn = [(str(rng.choice(shapes)), str(rng.choice(colors)), str(rng.choice(SIZES))) for _ in range(count)]
        alike = any(len({one[axis] for one in drawn}) < count for axis in (0, 1))
        if alike and len(set(drawn)) == count:
            return drawn


def _pairwise_alike(rng: np.random.Generator) -> list[tuple[str, str, str]]:
    """Three objects of which one pair shares the shape, one the color and one the size: each can need two words."""
    pairs = rng.permutation(3)  # object that differs from the other two in shape, color, size
    columns = []
    for odd, values in zip(pairs, (SHAPES, COLORS, SIZES), strict=True):
        common, other = (str(value) for value in rng.choice(values, size=2, replace=False))
        columns.append([other if i == odd else common for i in range(3)])
    return list(zip(*columns, strict=True))


def _sample_texture(rng: np.random.Generator) -> dict:
    return dict(
        kind=str(rng.choice(['stripes', 'checks', 'blobs'])),
        period=float(rng.uniform(0.35, 0.7)),
        angle=float(rng.uniform(0, np.pi)),
        phase=[float(value) for value in rng.uniform(0, 2 * np.pi, 2)],
        contrast=float(rng.uniform(0.06, 0.14)),
        tint=[float(value) for value in rng.uniform(-10, 10, 3)],
    )


def _sample_motions(rng: np.random.Generator, level: str, count: int) -> list[tuple[str, float | None]]:
    """Kind of motion and first direction of each object. A 'full' video has few kinds: objects share them."""
    if level == 'easy':
        kinds = rng.choice(['straight', 'turn', 'stop', 'bounce'], size=count, p=[0.4, 0.2, 0.2, 0.2])
        return [(str(kind), None) for kind in kinds]
    pool = rng.choice(MOTIONS, size=2 + int(count > 4), replace=False, p=[0.28, 0.14, 0.14, 0.14, 0.12, 0.12, 0.06])
    headings = rng.choice(HEADINGS, size=2, replace=False)
    drawn = []
    for _ in range(count):
        heading = float(rng.choice(headings)) if rng.random() < 0.8 else None
        drawn.append((str(rng.choice(pool)), heading))
    return drawn


def _together(first: ShapeObject, second: ShapeObject) -> float:
    """How long two objects touch, in shares of what is acceptable (less for two of one color): fine up to 1."""
    distance = np.hypot(*(first.track - second.track).T)
    share = (distance < 0.85 * (first.radius + second.radius)).mean()
    return float(share / (0.15 if first.color == second.color else 0.3))


def _sample_object(
    rng: np.random.Generator,
    settings: MovingShapesSettings,
    attributes: tuple[str, str, str],
    motion: str,
    heading: float | None,
    others: list[ShapeObject],
    drift: np.ndarray | float = 0.0,
) -> ShapeObject:
    """Draws an object that touches the `others` only for a short time (of some paths the one that does so least)."""
    shape, color, size = attributes
    radius = float(0.5 * LEVELS[settings.level]['diameters'][size] * settings.side * rng.uniform(0.94, 1.06))
    angle = float(rng.uniform(-0.2, 0.2))
    texture = _sample_texture(rng)
    best, least = None, np.inf
    for _ in range(_TRIES):
        track = sample_track(rng, settings, motion, radius, heading) + drift
        one = ShapeObject(shape, color, size, motion, radius, angle, track, texture=texture)
        contact = max((_together(one, other) for other in others), default=0.0)
        if contact < least:
            best, least = one, contact
        if least <= 1:
            break
    return best


def _cross(rng: np.random.Generator, objects: list[ShapeObject], settings: MovingShapesSettings) -> None:
    """Moves one path so that two objects meet, if that leaves it inside the frame and nothing together for long."""
    first, second = rng.choice(len(objects), size=2, replace=False)
    mover, other = objects[first], objects[second]
    meeting = int(rng.integers(settings.frames // 4, 3 * settings.frames // 4))
    offset = other.track[meeting] - mover.track[meeting] + rng.uniform(-0.5, 0.5, 2) * mover.radius
    if mover.motion in ('enter', 'leave', 'bounce'):
        return
    low = np.full(2, 1.15 * mover.radius)
    high = np.array([settings.width, settings.height]) - 1 - low
    before = mover.track
    mover.track = before + np.clip(offset, low - before.min(axis=0), high - before.max(axis=0))
    if max(_together(mover, one) for one in objects if one is not mover) > 1:
        mover.track = before


def _set_depths(rng: np.random.Generator, objects: list[ShapeObject]) -> None:
    for one, depth in zip(objects, rng.permutation(len(objects)), strict=True):
        one.depth = int(depth)


# ---------------------------------------------------------------- scenes
def sample_count(rng: np.random.Generator, settings: MovingShapesSettings) -> int:
    """Draws the number of objects of a video; pairs are rarer than threes, because they need no more than one word."""
    low, high = LEVELS[settings.level]['objects']
    weight = np.array([0.5 if count == 2 else 1.0 for count in range(low, high + 1)])
    return int(rng.choice(np.arange(low, high + 1), p=weight / weight.sum()))


def sample_scene(rng: np.random.Generator, settings: MovingShapesSettings, count: int) -> Scene:
    """Draws a scene of the 'rvos' form: `count` objects that share attributes and motions, the background at rest."""
    attributes = sample_attributes(rng, count)
    objects: list[ShapeObject] = []
    for look, move in zip(attributes, _sample_motions(rng, settings.level, count), strict=True):
        objects.append(_sample_object(rng, settings, look, *move, objects))
    if rng.random() < 0.6:
        _cross(rng, objects, settings)
    _set_depths(rng, objects)
    order = rng.permutation(count)  # later objects found less room: their numbers must not tell
    return Scene([objects[i] for i in order], np.zeros((settings.frames, 2)))


def _sample_camera(rng: np.random.Generator, settings: MovingShapesSettings) -> np.ndarray:
    """A slow drift with a gentle sway: (T, 2) pixels, beginning at zero."""
    drift = _line(settings.frames, rng.uniform(0.1, 0.25) * settings.side, rng.uniform(0, 2 * np.pi))
    time = np.linspace(0, 1, settings.frames)[:, None]
    sway = 0.02 * settings.side * np.sin(2 * np.pi * (time + rng.random(2)))
    camera = drift + sway
    return camera - camera[0]


def sample_zero_shot_scene(rng: np.random.Generator, settings: MovingShapesSettings, count: int) -> Scene:
    """Draws a scene of the 'zero-shot' form: the first object moves by itself, the others rest on the background.

    In 'easy' the camera stands still in half of the videos; in 'full' it always moves, and everything at rest with it.
    """
    attributes = sample_attributes(rng, count)
    moving = settings.level == 'full' or rng.random() < 0.5
    camera = _sample_camera(rng, settings) if moving else np.zeros((settings.frames, 2))
    kind = str(rng.choice(['straight', 'turn', 'bounce']))
    objects = [_sample_object(rng, settings, attributes[0], kind, None, [])]
    for look in attributes[1:]:
        drift = camera - camera[settings.frames // 2]
        objects.append(_sample_object(rng, settings, look, 'still', None, objects, drift))
    _set_depths(rng, objects)
    return Scene(objects, camera)
