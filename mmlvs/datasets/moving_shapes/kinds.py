"""Sentences about kinds of moving shapes: "every star", "every object on the left", "every object that stops".

A sentence that singles out one object says little about each of its words. These name all objects that one or two words
fit, as category labels do for images: a network learns from them first what the words mean. They are written beside the
sentences of a finished data set, from what its `meta.json` says of the objects.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from mmlvs.datasets.moving_shapes.expressions import (
    CLUE_TYPES,
    DIRECTION_WORDS,
    EVENT_WORDS,
    PLACE_WORDS,
    RELATION_WORDS,
    appearance_sets,
    noun_phrase,
)
from mmlvs.datasets.moving_shapes.scene import MIN_VISIBLE
from mmlvs.datasets.moving_shapes.truth import (
    ATTRIBUTES,
    DIRECTIONS,
    EVENTS,
    PLACES,
    RELATIONS,
    Clue,
    ObjectRecord,
    Truth,
)
from mmlvs.io.atomic import write_json

Kind = tuple[str, str, int]  # type, sentence, bit field of the objects


def kinds_of(truth: Truth, attributes: Sequence[str] = ATTRIBUTES) -> Iterator[Kind]:
    """All kinds of a video that are clear for each of its objects, fit one of them at least, and not all of them;
    appearances by one or two of the ``attributes``."""
    for kind_type, text, clues in _worded(truth, attributes):
        true, false = truth.everyone, 0
        for clue in clues:
            true, false = true & clue.true, false | clue.false
        if true and true | false == truth.everyone and true != truth.everyone:
            yield kind_type, text, true


def _worded(truth: Truth, attributes: Sequence[str]) -> Iterator[tuple[str, str, tuple[Clue, ...]]]:
    looks = {tuple((name, getattr(record, name)) for name in names)
             for record in truth.records for size in (1, 2) for names in combinations(attributes, size)}
    for look in sorted(looks):
        clues = tuple(truth.appearance(*pair) for pair in look)
        yield 'appearance', noun_phrase(clues, 'object').replace('the ', 'every ', 1), clues
    for place in PLACES:
        yield 'position', f'every object {PLACE_WORDS[place]}', (truth.place(place), )
    for direction in DIRECTIONS:
        yield 'motion', f'every object {DIRECTION_WORDS[0].format(direction)}', (truth.direction(direction), )
    for event in EVENTS:
        yield 'motion', f'every object {EVENT_WORDS[event][0]}', (truth.event(event), )
    for anchor in range(len(truth.records)):
        for description in appearance_sets(truth, anchor)[:1]:
            for value in (*RELATIONS, *RELATION_WORDS):
                text = f'every object {RELATION_WORDS.get(value, value)} {noun_phrase(description, "object")}'
                yield 'relation', text, (truth.relation(value, anchor, description), )


def draw_kinds(rng: np.random.Generator, truth: Truth, *, types: Sequence[str], most: int,
               attributes: Sequence[str] = ATTRIBUTES) -> list[Kind]:
    """At most ``most`` different kinds of a video: the types in turn from a random one on, within a type at random.

    A type of which none is left is passed over.
    """
    found = list(kinds_of(truth, attributes))
    left = {name: [kind for kind in found if kind[0] == name] for name in types}
    turn, drawn = list(np.roll(list(types), int(rng.integers(len(types))))), []
    while len(drawn) < most and any(left.values()):
        options = left[str(turn[0])]
        turn = turn[1:] + turn[:1]
        if options:
            drawn.append(options.pop(int(rng.integers(len(options)))))
    return drawn


def truth_of(entry: dict, *, height: int, width: int) -> Truth:
    """Truth of a video from its entry in ``meta.json``."""
    records = [
        ObjectRecord(shape=one['category'], color=one['color'], size=one['size'], motion=one['motion'],
                     track=np.array(one['track']), area=np.array(one['area']), full_area=one['full_area'],
                     covered={int(other) - 1: pixels for other, pixels in one['covered'].items()})
        for one in entry['objects'].values()
    ]
    return Truth(records=records, height=height, width=width, min_area=MIN_VISIBLE * height * width)


def write_kinds(root: str | Path, *, split: str = 'train', types: Sequence[str] = CLUE_TYPES,
                attributes: Sequence[str] = ATTRIBUTES, most: int = 3, only_kinds: bool = False,
                name: str = 'kinds') -> Path:
    """Write ``meta_expressions/<split>/<name>.json``: the sentences of a split that are of the given types, followed by
    up to ``most`` sentences about kinds for each video. The same settings give the same file.

    Args:
        root: folder of a finished data set of moving shapes in the form with sentences.
        split: of the data set.
        types: types of clues, for both sorts of sentences.
        attributes: by which kinds of appearance are told: some of size, color, shape.
        most: sentences about kinds for each video.
        only_kinds: leave the data set's own sentences out.
        name: of the file; not that of the data set's own sentences.

    Returns:
        Path: the file.

    Raises:
        ValueError: unknown types or attributes, a bad number or name.
        FileNotFoundError: there is no such data set.
    """
    root = Path(root)
    for what, given, known in (('types', types, CLUE_TYPES), ('attributes', attributes, ATTRIBUTES)):
        if unknown := sorted(set(given) - set(known)):
            raise ValueError(f'{what} {unknown}: expected some of {list(known)}')
    if not types or most < 0 or name == 'meta_expressions':
        raise ValueError(f'expected at least one type, found {list(types)}; a number of at least 0, found {most}; and '
                         f"another name than 'meta_expressions', found {name!r}")
    folder = root / 'meta_expressions' / split
    files = root / 'moving_shapes.json', root / split / 'meta.json', folder / 'meta_expressions.json'
    for file in files:
        if not file.is_file():
            raise FileNotFoundError(f'{file}: expected a finished data set of moving shapes with the split {split!r}')
    state, meta, sentences = (json.loads(file.read_text(encoding='utf-8')) for file in files)
    settings, videos = state['settings'], {}
    for video, entry in sentences['videos'].items():
        truth = truth_of(meta['videos'][video], height=settings['height'], width=settings['width'])
        kept = [one for one in entry['expressions'].values() if one['clue_type'] in types and not only_kinds]
        rng = np.random.default_rng(int(hashlib.sha256(f'{settings["seed"]}/{video}'.encode()).hexdigest()[:16], 16))
        for kind_type, text, objects in draw_kinds(rng, truth, types=types, most=most, attributes=attributes):
            members = [str(i + 1) for i in range(len(truth.records)) if objects >> i & 1]
            kept.append(dict(exp=text, obj_id=members, clue_type=kind_type))
        if kept:
            videos[video] = dict(expressions={str(k): one for k, one in enumerate(kept)}, frames=entry['frames'])
    write_json(folder / f'{name}.json', dict(videos=videos), indent=None)
    return folder / f'{name}.json'
