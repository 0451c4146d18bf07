"""Clues about moving shapes, decided with clear margins on what is recorded of the whole video.

A clue is a statement about one object that is clearly true, clearly false, or unclear (too close to the margin).
Sets of objects are integers used as bit fields: bit i stands for object i.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CLUE_TYPES = ('appearance', 'position', 'motion', 'relation')
ATTRIBUTES = ('size', 'color', 'shape')

SUPERLATIVES = {'leftmost': (0, -1), 'rightmost': (0, 1), 'topmost': (1, -1), 'bottommost': (1, 1)}
PLACES = {'left': (0, -1), 'right': (0, 1), 'top': (1, -1), 'bottom': (1, 1)}
EVENTS = ('stops', 'turns', 'bounces', 'enters', 'leaves', 'still')
DIRECTIONS = {'left': (-1, 0), 'right': (1, 0), 'up': (0, -1), 'down': (0, 1)}
RELATIONS = {'left of': (0, -1), 'right of': (0, 1), 'above': (1, -1), 'below': (1, 1)}


@dataclass
class ObjectRecord:
    """What is written down about one object of a video (see `meta.json`).

    Attributes:
        shape, color, size, motion: names.
        track: (T, 2) centre (x, y) in pixels.
        area: (T,) visible pixels.
        full_area: pixels of the whole object.
        covered: object index -> most pixels, in one frame, of this object that are hidden and show that one.
    """

    shape: str
    color: str
    size: str
    motion: str
    track: np.ndarray
    area: np.ndarray
    full_area: int
    covered: dict[int, int]


@dataclass(frozen=True)
class Clue:
    """One statement about an object.

    Attributes:
        type: 'appearance', 'position', 'motion' or 'relation'.
        name: what is stated: 'shape', 'color', 'size', 'superlative', 'place', 'direction', 'event' or 'relation'.
        value: for example 'red', 'leftmost', 'up', 'stops', 'left of'.
        true: bit field of the objects for which it clearly holds.
        false: bit field of the objects for which it clearly does not hold.
        among: of a superlative, the attributes that its kind is made of.
        anchor: of a relation, the index of the other object.
        anchor_clues: of a relation, the appearance clues that single out the other object.
    """

    type: str
    name: str
    value: str
    true: int
    false: int
    among: tuple[str, ...] = ()
    anchor: int | None = None
    anchor_clues: tuple[Clue, ...] = ()


class Truth:
    """Decides single clues for all objects of a video, with clear margins.

    Args:
        records: of all objects.
        height: of the frames in pixels.
        width: of the frames in pixels.
        min_area: visible pixels from which on an object counts as visible in a frame.
    """

    def __init__(self, *, records: list[ObjectRecord], height: int, width: int, min_area: float) -> None:
        self.records = records
        self.size = (width, height)
        self.side = min(height, width)
        self.seen = np.stack([record.area >= min_area for record in records])  # (O, T)
        self.tracks = np.stack([record.track for record in records])  # (O, T, 2)
        self.everyone = (1 << len(records)) - 1

    # ---- appearance
    def appearance(self, name: str, value: str) -> Clue:
        """`name` ('shape', 'color' or 'size') is `value`; always clear."""
        true = sum(1 << i for i, record in enumerate(self.records) if getattr(record, name) == value)
        return Clue('appearance', name, value, true, self.everyone & ~true)

    # ---- position
    def _clearly_before(self, i: int, j: int, axis: int, sign: int) -> bool:
        """Object i lies clearly farther along the direction than j, over the frames that show both."""
        both = self.seen[i] & self.seen[j]
        if both.sum() < 0.5 * both.size:
            return False
        ahead = sign * (self.tracks[i, both, axis] - self.tracks[j, both, axis])
        return bool(ahead.mean() >= 0.1 * self.side and (ahead > 0).mean() >= 0.85)

    def superlative(self, value: str, among: tuple[str, ...]) -> Clue:
        """Farthest in a direction among the (two or more) objects that share the attributes `among` with it."""
        axis, sign = SUPERLATIVES[value]
        kinds = [tuple(getattr(record, name) for name in among) for record in self.records]
        true = false = 0
        for i, kind in enumerate(kinds):
            rivals = [j for j, other in enumerate(kinds) if j != i and other == kind]
            if rivals and all(self._clearly_before(i, j, axis, sign) for j in rivals):
                true |= 1 << i
            elif not rivals or any(self._clearly_before(j, i, axis, sign) for j in rivals):
                false |= 1 << i
        return Clue('position', 'superlative', value, true, false, among=among)

    def place(self, value: str) -> Clue:
        """In the left, right, top or bottom half of the picture, by the centre over the visible frames."""
        axis, sign = PLACES[value]
        middle = (self.size[axis] - 1) / 2
        true = false = 0
        for i in range(len(self.records)):
            out = sign * (self.tracks[i, self.seen[i], axis] - middle) / self.size[axis]  # -0.5 .. 0.5
            if out.size and out.mean() >= 0.12 and (out > 0).mean() >= 0.9:
                true |= 1 << i
            elif not out.size or (out.mean() <= -0.05 and (out < 0).mean() >= 0.8):
                false |= 1 << i
        return Clue('position', 'place', value, true, false)

    # ---- motion
    def _steps(self, i: int) -> np.ndarray:
        """(S, 2) steps between the first and the last frame that show object i."""
        shown = np.flatnonzero(self.seen[i])
        if shown.size < 3:
            return np.zeros((0, 2))
        return np.diff(self.tracks[i, shown[0] : shown[-1] + 1], axis=0)

    def direction(self, value: str) -> Clue:
        """Moves up, down, left or right: nearly the whole path points there."""
        axis = np.array(DIRECTIONS[value], dtype=np.float64)
        true = false = 0
        for i in range(len(self.records)):
            steps = self._steps(i)
            along = steps @ axis
            forward = along[along > 0].sum()
            net = along.sum()
            straight = net >= 0.85 * np.hypot(*steps.T).sum()  # at most 30 degrees off, without detours
            if net >= 0.2 * self.side and straight:
                true |= 1 << i
            elif forward <= 0.04 * self.side:
                false |= 1 << i
        return Clue('motion', 'direction', value, true, false)

    def event(self, value: str) -> Clue:
        """Stops, turns, bounces, enters, leaves, or stays still."""
        true = false = 0
        for i in range(len(self.records)):
            answer = getattr(self, f'_{value}')(i)
            true |= int(answer is True) << i
            false |= int(answer is False) << i
        return Clue('motion', 'event', value, true, false)

    def _speeds(self, i: int) -> tuple[np.ndarray, float]:
        return np.hypot(*np.diff(self.tracks[i], axis=0).T), 0.2 * self.side / len(self.tracks[i])

    def _stops(self, i: int) -> bool | None:
        speed, walking = self._speeds(i)
        quarter = len(speed) // 4
        first, last = speed[:quarter], speed[-quarter:]
        if (first >= walking).all() and (last <= 0.05 * walking).all():
            return True
        return False if (last >= walking).all() or (speed <= 0.05 * walking).all() else None

    def _still(self, i: int) -> bool | None:
        speed, walking = self._speeds(i)
        if (speed <= 0.05 * walking).all():
            return True
        return False if speed.sum() >= 0.2 * self.side else None

    def _bends(self, i: int) -> np.ndarray:
        """Change of heading, in degrees, from each step to the next, where the object moves."""
        steps = np.diff(self.tracks[i], axis=0)
        steps = steps[np.hypot(*steps.T) > 0.05 * self._speeds(i)[1]]
        heading = np.degrees(np.unwrap(np.arctan2(steps[:, 1], steps[:, 0])))
        return np.diff(heading)

    def _turns(self, i: int) -> bool | None:
        bends = self._bends(i)
        if np.abs(bends).sum() <= 10:
            return False
        return True if abs(bends.sum()) >= 80 and np.abs(bends).max() <= 40 else None

    def _bounces(self, i: int) -> bool | None:
        """Turns round sharply once or twice (a reflection may take two steps), and goes straight otherwise."""
        bends = np.abs(self._bends(i))
        if bends.size == 0 or bends.max() <= 40:
            return False
        return True if bends.sum() >= 80 and (bends > 5).sum() <= 4 else None

    def _outside(self, i: int, frame: int) -> bool | None:
        """Wholly outside the picture (True) or wholly inside (False)."""
        radius = np.sqrt(self.records[i].full_area / np.pi)
        center = self.tracks[i, frame]
        border = min(center.min(), (np.array(self.size) - 1 - center).min())  # > 0: centre inside
        if border <= -0.9 * radius and self.records[i].area[frame] == 0:
            return True
        return False if border >= 0.7 * radius else None

    def _passes(self, i: int, outside: int, inside: int) -> bool | None:
        before, after = self._outside(i, outside), self._outside(i, inside)
        if before is True and after is False:
            return True
        return False if before is False else None

    def _enters(self, i: int) -> bool | None:
        return self._passes(i, 0, -1)

    def _leaves(self, i: int) -> bool | None:
        return self._passes(i, -1, 0)

    # ---- relation
    def relation(self, value: str, anchor: int, anchor_clues: tuple[Clue, ...]) -> Clue:
        """Left of, right of, above or below another object, partly hidden by it or partly covering it."""
        true = false = 0
        for i in range(len(self.records)):
            answer = False if i == anchor else self._related(value, i, anchor)
            true |= int(answer is True) << i
            false |= int(answer is False) << i
        return Clue('relation', 'relation', value, true, false, anchor=anchor, anchor_clues=anchor_clues)

    def _related(self, value: str, i: int, j: int) -> bool | None:
        if value in RELATIONS:
            if self._clearly_before(i, j, *RELATIONS[value]):
                return True
            axis, sign = RELATIONS[value]
            both = self.seen[i] & self.seen[j]
            ahead = sign * (self.tracks[i, both, axis] - self.tracks[j, both, axis])
            return False if both.any() and ahead.mean() <= -0.04 * self.side and (ahead < 0).mean() >= 0.8 else None
        far, near = (i, j) if value == 'hidden by' else (j, i)
        covered, whole = self.records[far].covered.get(near, 0), self.records[far].full_area
        if covered >= 0.15 * whole:
            return True
        return False if covered <= 0.01 * whole else None
