"""Sentences about moving shapes: minimal sets of clues and their wording.

A set of clues *singles out* an object if all of them are clearly true for it and at least one is clearly false for
every other object. It is *minimal* if, whichever clue is left out, at least two objects fit the rest.

A superlative speaks about the things of its kind: "the leftmost square" is left of all other squares. Leaving out
"square" therefore leaves "leftmost of its kind": every object, square or star, that is clearly left of all others of
its own kind, of which there must be several. In addition the plain superlative ("the leftmost object") must clearly
not hold for the referent: some object of another kind lies farther left. The clue of a relation is the whole phrase
("left of the red ring"), whose own description is again a minimal one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from mmlvs.datasets.moving_shapes.truth import (
    ATTRIBUTES,
    DIRECTIONS,
    EVENTS,
    PLACES,
    RELATIONS,
    SUPERLATIVES,
    Clue,
    Truth,
)

CLUE_TYPES = ('appearance', 'position', 'motion', 'relation')
_NO_KIND = ('object', 'shape')  # nouns for a description without a shape
PLACE_WORDS = {'left': 'on the left', 'right': 'on the right', 'top': 'at the top', 'bottom': 'at the bottom'}
DIRECTION_WORDS = ('moving {}', 'that moves {}', 'going {}')
EVENT_WORDS = {
    'stops': ('that stops', 'that comes to rest'),
    'turns': ('that turns', 'moving in a curve'),
    'bounces': ('that bounces', 'that bounces off the border'),
    'enters': ('that enters', 'that comes in from outside'),
    'leaves': ('that leaves', 'that disappears from view'),
    'still': ('that stays still', 'that does not move'),
}
RELATION_WORDS = {'hidden by': 'partly hidden by', 'covering': 'partly covering'}


@dataclass
class Expression:
    """A sentence about one object.

    Attributes:
        text: the sentence, lower case, words joined by single blanks.
        referent: index of the object.
        clues: the clues of which the sentence is made.
        noun_chunks: [start, end) character spans of its noun phrases, in order.
    """

    text: str
    referent: int
    clues: tuple[Clue, ...]
    noun_chunks: list[list[int]] = field(default_factory=list)

    @property
    def clue_type(self) -> str:
        """The type that goes beyond appearance, if there is one, otherwise 'appearance'."""
        return next((clue.type for clue in self.clues if clue.type != 'appearance'), 'appearance')


# ---------------------------------------------------------------- which clues, and when they are minimal
def candidates(clues: tuple[Clue, ...], everyone: int) -> int:
    """Bit field of the objects for which all clues are clearly true."""
    for clue in clues:
        everyone &= clue.true
    return everyone


def singles_out(clues: tuple[Clue, ...], referent: int, everyone: int) -> bool:
    """All clues clearly hold for the referent and at least one clearly fails for every other object."""
    refuted = 0
    for clue in clues:
        refuted |= clue.false
    return candidates(clues, everyone) == 1 << referent and refuted == everyone & ~(1 << referent)


def is_minimal(clues: tuple[Clue, ...], everyone: int) -> bool:
    """Whichever clue is left out, at least two objects fit the rest."""
    return all(candidates(clues[:k] + clues[k + 1 :], everyone).bit_count() >= 2 for k in range(len(clues)))


def _subsets(truth: Truth, referent: int, most: int) -> Iterator[tuple[Clue, ...]]:
    """All sets of at most `most` appearance clues that are true of the referent, small sets first."""
    record = truth.records[referent]
    clues = [truth.appearance(name, getattr(record, name)) for name in ATTRIBUTES]
    for size in range(most + 1):
        yield from combinations(clues, size)


def appearance_sets(truth: Truth, referent: int) -> list[tuple[Clue, ...]]:
    """All minimal sets of appearance clues that single out the referent, small sets first."""
    return [
        clues
        for clues in _subsets(truth, referent, len(ATTRIBUTES))
        if clues and singles_out(clues, referent, truth.everyone) and is_minimal(clues, truth.everyone)
    ]


def _clues_beyond_appearance(truth: Truth) -> Iterator[Clue]:
    """All position, motion and relation clues; a superlative once for every kind of kinds."""
    yield from map(truth.place, PLACES)
    yield from map(truth.direction, DIRECTIONS)
    yield from map(truth.event, EVENTS)
    for anchor in range(len(truth.records)):
        descriptions = appearance_sets(truth, anchor)
        for value in (*RELATIONS, *RELATION_WORDS) if descriptions else ():
            yield truth.relation(value, anchor, descriptions[0])
    for value in SUPERLATIVES:
        for size in range(3):
            yield from (truth.superlative(value, among) for among in combinations(ATTRIBUTES, size))


def minimal_sets(truth: Truth) -> list[dict[str, list[tuple[Clue, ...]]]]:
    """For every object, by clue type, all minimal sets of clues that single it out.

    A set consists of appearance clues alone, or of at most two of them followed by one clue of another type.
    """
    objects = range(len(truth.records))
    found = [{kind: appearance_sets(truth, i) if kind == 'appearance' else [] for kind in CLUE_TYPES} for i in objects]
    looks = [list(_subsets(truth, i, 2)) for i in objects]
    for clue in _clues_beyond_appearance(truth):
        fit = clue.true & truth.superlative(clue.value, ()).false if clue.among else clue.true
        for i in objects:
            if not fit >> i & 1:
                continue
            for look in looks[i]:
                if clue.name == 'superlative' and clue.among != tuple(other.name for other in look):
                    continue
                clues = (*look, clue)
                if singles_out(clues, i, truth.everyone) and is_minimal(clues, truth.everyone):
                    found[i][clue.type].append(clues)
    return found


# ---------------------------------------------------------------- wording
def noun_phrase(clues: tuple[Clue, ...], noun: str) -> str:
    """'the [superlative] [size] [color] noun'."""
    words = {clue.name: clue.value for clue in clues}
    order = [words.get('superlative'), words.get('size'), words.get('color'), words.get('shape', noun)]
    return ' '.join(['the', *(word for word in order if word)])


class _Text:
    """Collects a text piece by piece and remembers the spans of its noun phrases."""

    def __init__(self) -> None:
        self.text = ''
        self.noun_chunks: list[list[int]] = []

    def add(self, piece: str, noun: bool = False) -> None:
        start = len(self.text) + bool(self.text)
        self.text = f'{self.text} {piece}' if self.text else piece
        if noun:
            self.noun_chunks.append([start, len(self.text)])

    def add_phrase(self, phrase: str) -> None:
        """Adds a phrase that may end in a noun phrase of its own ('on the left')."""
        head, found, tail = phrase.partition('the ')
        if found:
            self.add(head.strip())
            self.add(found + tail, noun=True)
        else:
            self.add(phrase)


def phrase(rng: np.random.Generator, clues: tuple[Clue, ...], referent: int) -> Expression:
    """Puts a set of clues into words; where several wordings exist, one is drawn."""
    noun = str(rng.choice(_NO_KIND))
    choice = int(rng.integers(6))
    text = _Text()
    text.add(noun_phrase(clues, noun), noun=True)
    last = clues[-1]
    if last.name == 'place':
        text.add_phrase(PLACE_WORDS[last.value])
    elif last.name == 'direction':
        text.add(DIRECTION_WORDS[choice % len(DIRECTION_WORDS)].format(last.value))
    elif last.name == 'event':
        words = EVENT_WORDS[last.value]
        text.add_phrase(words[choice % len(words)])
    elif last.name == 'relation':
        text.add(RELATION_WORDS.get(last.value, last.value))
        text.add(noun_phrase(last.anchor_clues, noun), noun=True)
    return Expression(text.text, referent, clues, text.noun_chunks)


def choose_expressions(
    rng: np.random.Generator, truth: Truth, *, types: tuple[str, ...], most: int, easy: bool = False
) -> list[Expression] | None:
    """Draws sentences about different objects of a video, each object equally likely.

    Args:
        types: the clue types that are asked for, one for each sentence in turn, beginning at a random place.
        most: sentences at most.
        easy: prefer colour to size and size to shape, where there is a choice: a small network learns
            them in this order, and shape hardly at all in a few minutes.

    Returns:
        Sentences in the order drawn, or None if one of the drawn objects has no minimal sentence of the wanted type.
    """
    referents = rng.permutation(len(truth.records))[:most]
    wanted = np.roll(rng.permutation(len(types)), int(rng.integers(len(types))))
    available = minimal_sets(truth)
    chosen: list[Expression] = []
    for k, referent in enumerate(int(i) for i in referents):
        options = available[referent][types[wanted[k % len(types)]]]
        if not options:
            return None
        weight = np.array([_ease(clues) if easy else _richness(clues) for clues in options])
        clues = options[int(rng.choice(len(options), p=weight / weight.sum()))]
        chosen.append(phrase(rng, clues, referent))
    return chosen


def _ease(clues: tuple[Clue, ...]) -> float:
    """Weight of a set of appearance clues in the draw of the easy level."""
    return float(np.prod([dict(color=16.0, size=8.0, shape=1.0)[clue.name] for clue in clues]))


def _richness(clues: tuple[Clue, ...]) -> float:
    """Weight of a set of clues in the draw: rather two or three clues than one."""
    return (1.0, 6.0, 9.0)[min(len(clues), 3) - 1]
