"""Moving shapes: pictures fit the records, and every sentence says neither too little nor too much."""

import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from mmlvs.datasets.moving_shapes import MovingShapesSettings, make_video
from mmlvs.datasets.moving_shapes.expressions import is_minimal, minimal_sets, singles_out
from mmlvs.datasets.moving_shapes.render import PALETTE
from mmlvs.datasets.moving_shapes.scene import COLORS, MIN_VISIBLE, MOTIONS, SHAPES, SIZES
from mmlvs.datasets.moving_shapes.truth import Clue, ObjectRecord, Truth
from mmlvs.datasets.moving_shapes.video import (
    expressions_entry,
    frame_names,
    meta_entry,
    scores_of_trivial_answers,
)

EASY = MovingShapesSettings(level='easy', seed=3)
seeds = st.integers(min_value=0, max_value=2**31)
few = hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


# ---------------------------------------------------------------- an independent reading of the recorded truth
class Oracle:
    """Plain yes/no reading of clues from what `meta.json` records, without the generator's code and margins."""

    def __init__(self, objects: dict, size: int) -> None:
        self.objects = objects
        self.size = size
        self.tracks = {key: np.array(one['track']) for key, one in objects.items()}
        self.seen = {key: np.array(one['area']) >= MIN_VISIBLE * size**2 for key, one in objects.items()}

    def attribute(self, key: str, name: str) -> str:
        return self.objects[key]['category' if name == 'shape' else name]

    def gap(self, key: str, other: str, axis: int) -> float:
        """Mean distance from `other` to `key` along an axis, over the frames that show both; nan if there are none."""
        both = self.seen[key] & self.seen[other]
        return float((self.tracks[key] - self.tracks[other])[both, axis].mean()) if both.any() else float('nan')

    def fits(self, key: str, clue: dict) -> bool:
        return getattr(self, clue['type'])(key, clue)

    def appearance(self, key: str, clue: dict) -> bool:
        return self.attribute(key, clue['name']) == clue['value']

    def position(self, key: str, clue: dict) -> bool:
        axis = 0 if clue['value'] in ('left', 'right', 'leftmost', 'rightmost') else 1
        sign = -1 if clue['value'] in ('left', 'top', 'leftmost', 'topmost') else 1
        if clue['name'] == 'place':
            return sign * (self.tracks[key][self.seen[key], axis].mean() - (self.size - 1) / 2) > 0
        kind = [self.attribute(key, name) for name in clue['among']]
        rivals = [
            other
            for other in self.objects
            if other != key and [self.attribute(other, name) for name in clue['among']] == kind
        ]
        return bool(rivals) and all(sign * self.gap(key, other, axis) > 0 for other in rivals)

    def motion(self, key: str, clue: dict) -> bool:
        if clue['name'] == 'event':
            kinds = dict(stops='stop', turns='turn', bounces='bounce', enters='enter', leaves='leave', still='still')
            return self.objects[key]['motion'] == kinds[clue['value']]
        shown = np.flatnonzero(self.seen[key])
        way = self.tracks[key][shown[-1]] - self.tracks[key][shown[0]]
        axis = int(clue['value'] in ('up', 'down'))
        sign = -1 if clue['value'] in ('left', 'up') else 1
        return sign * way[axis] > max(0.1 * self.size, abs(way[1 - axis]))

    def relation(self, key: str, clue: dict) -> bool:
        anchor = clue['anchor']
        if key == anchor:
            return False
        if clue['value'] in ('hidden by', 'covering'):
            far, near = (key, anchor) if clue['value'] == 'hidden by' else (anchor, key)
            return self.objects[far]['covered'].get(near, 0) > 0.05 * self.objects[far]['full_area']
        axis = int(clue['value'] in ('above', 'below'))
        sign = -1 if clue['value'] in ('left of', 'above') else 1
        return sign * self.gap(key, anchor, axis) > 0

    def candidates(self, clues: list[dict]) -> list[str]:
        return [key for key in self.objects if all(self.fits(key, clue) for clue in clues)]


def check_expressions(video, size: int = 128) -> None:
    """Every sentence fits exactly its referent; without any one of its clues it fits at least two objects."""
    oracle = Oracle(meta_entry(video)['objects'], size)
    entries = expressions_entry(video)['expressions']
    assert len({entry['exp'] for entry in entries.values()}) == len(entries)
    for entry in entries.values():
        clues = entry['clues']
        assert oracle.candidates(clues) == [entry['obj_id']], entry
        for k in range(len(clues)):
            assert len(oracle.candidates(clues[:k] + clues[k + 1 :])) >= 2, (entry, k)
        for clue in clues:
            if clue['name'] == 'superlative' and clue['among']:  # the bare word must not be enough
                assert oracle.candidates([dict(clue, among=[])]) != [entry['obj_id']], entry
            if clue['type'] == 'relation':
                rest = clue['anchor_clues']
                assert oracle.candidates(rest) == [clue['anchor']]
                assert all(len(oracle.candidates(rest[:k] + rest[k + 1 :])) >= 2 for k in range(len(rest)))


@few
@given(seed=seeds)
def test_easy_sentences_are_exact_and_minimal(seed):
    video = make_video(MovingShapesSettings(level='easy', seed=seed), 'train', 0)
    check_expressions(video)
    entries = expressions_entry(video)['expressions'].values()
    assert {entry['clue_type'] for entry in entries} == {'appearance'}
    assert sorted(entry['obj_id'] for entry in entries) == [str(i + 1) for i in range(len(video.records))]


@few
@given(seed=seeds)
def test_full_sentences_are_exact_and_minimal(seed):
    video = make_video(MovingShapesSettings(level='full', seed=seed), 'valid', 1)
    check_expressions(video)
    assert 3 <= len(video.records) <= 6 and len(video.expressions) == min(4, len(video.records))
    assert len({expression.referent for expression in video.expressions}) == len(video.expressions)
    assert len({expression.clue_type for expression in video.expressions}) == len(video.expressions)


@few
@given(seed=seeds)
def test_wording_names_the_clues_and_the_noun_chunks(seed):
    video = make_video(MovingShapesSettings(level='full', seed=seed), 'train', 0)
    for entry in expressions_entry(video)['expressions'].values():
        text, chunks = entry['exp'], [entry['exp'][start:end] for start, end in entry['noun_chunks']]
        assert text == ' '.join(text.lower().split())
        assert all(re.fullmatch(r'the( [a-z]+)+', chunk) for chunk in chunks)
        assert text.startswith(chunks[0])
        rest = text
        for start, end in reversed(entry['noun_chunks']):
            assert (start == 0 or text[start - 1] == ' ') and (end == len(text) or text[end] == ' ')
            rest = rest[:start] + rest[end:]
        assert 'the ' not in rest and not set(rest.split()) & {*SHAPES, *COLORS, *SIZES}
        named = [clue for clue in entry['clues'] if clue['type'] == 'appearance']
        assert set(chunks[0].split()) & {*SHAPES, *COLORS, *SIZES} == {clue['value'] for clue in named}
        last = entry['clues'][-1]
        if last['type'] == 'relation':
            assert set(chunks[1].split()) & {*SHAPES, *COLORS, *SIZES} == {c['value'] for c in last['anchor_clues']}


# ---------------------------------------------------------------- pictures, masks and records belong together
@few
@given(seed=seeds, level=st.sampled_from(['easy', 'full']))
def test_pictures_and_masks_show_what_is_recorded(seed, level):
    video = make_video(MovingShapesSettings(level=level, seed=seed), 'train', 0)
    frames = len(video.frames)
    assert video.frames.shape == (frames, 128, 128, 3) and video.frames.dtype == np.uint8
    assert video.index.max() == len(video.records) and frames == {'easy': 12, 'full': 24}[level]
    for i, record in enumerate(video.records):
        mask = video.index == i + 1
        np.testing.assert_array_equal(mask.sum(axis=(1, 2)), record.area)
        assert (record.area >= 30).mean() >= 0.5
        color = video.frames[mask].mean(axis=0)
        names = sorted(PALETTE, key=lambda name: np.abs(color - PALETTE[name]).sum())
        assert names[0] == record.color
        assert record.motion in MOTIONS
        for t in np.flatnonzero(record.area == record.full_area):
            center = np.argwhere(mask[t]).mean(axis=0)[::-1]
            assert np.abs(center - record.track[t]).max() <= 0.25 * np.sqrt(record.full_area / np.pi) + 1
    by_shape = {(one.shape, one.size): one.full_area for one in video.records}
    for shape in SHAPES:
        if (shape, 'small') in by_shape and (shape, 'large') in by_shape:
            assert by_shape[shape, 'large'] > 1.8 * by_shape[shape, 'small']


@few
@given(seed=seeds, level=st.sampled_from(['easy', 'full']))
def test_zero_shot_form_annotates_what_moves_against_its_background(seed, level):
    video = make_video(MovingShapesSettings(level=level, form='zero-shot', seed=seed), 'train', 0)
    assert set(np.unique(video.index)) == {0, 1} and video.expressions == []
    entry = meta_entry(video)
    assert list(entry['objects']) == ['1'] and len(entry['distractors']) == len(video.records) - 1 >= 1
    own = video.records[0].track - video.camera
    assert np.ptp(own, axis=0).max() >= 0.25 * 128 and np.hypot(*np.diff(own, axis=0).T).min() > 0.1
    for record in video.records[1:]:
        np.testing.assert_allclose(np.ptp(record.track - video.camera, axis=0), 0, atol=0.02)
    if level == 'full':
        assert np.ptp(video.camera, axis=0).max() > 3
    assert expressions_entry(video) == {'expressions': {}, 'frames': frame_names(len(video.frames))}


def test_background_follows_the_camera():
    video = make_video(MovingShapesSettings(level='full', form='zero-shot', seed=1), 'train', 0)
    last = len(video.camera) - 1
    shift = np.round(video.camera[last]).astype(int)
    assert np.abs(shift).max() >= 3
    first = video.frames[0].astype(float).mean(axis=2)
    moved = np.roll(video.frames[last].astype(float).mean(axis=2), -shift[::-1], axis=(0, 1))
    inner = (slice(40, 88), slice(40, 88))
    still = video.frames[last].astype(float).mean(axis=2)
    assert np.median(np.abs(first - moved)[inner]) < 0.6 * np.median(np.abs(first - still)[inner])


# ---------------------------------------------------------------- single parts
def record(shape='circle', color='red', size='small', track=None, area=None, covered=None):
    track = np.tile([50.0, 50.0], (12, 1)) if track is None else np.asarray(track, float)
    area = np.full(12, 400) if area is None else area
    return ObjectRecord(shape, color, size, 'straight', track, area, 400, covered or {})


def line(start, end):
    return np.linspace(start, end, 12)


def truth_of(*records):
    return Truth(records=list(records), height=128, width=128, min_area=30)


def states(clue: Clue, count: int) -> str:
    return ''.join('T' if clue.true >> i & 1 else 'F' if clue.false >> i & 1 else '?' for i in range(count))


def test_truth_of_positions_keeps_a_margin():
    truth = truth_of(
        record(track=line((20, 60), (20, 60))),
        record(track=line((66, 20), (66, 20)), shape='star'),
        record(track=line((75, 100), (75, 100))),
    )
    assert states(truth.superlative('leftmost', ()), 3) == 'TFF'
    assert states(truth.superlative('rightmost', ()), 3) == 'F??'  # 9 pixels apart: too close to call
    assert states(truth.superlative('rightmost', ('shape',)), 3) == 'FFT'  # the only star is not 'the rightmost star'
    assert states(truth.place('left'), 3) == 'T?F'
    assert states(truth.place('bottom'), 3) == '?FT'


def test_truth_of_motions():
    stop = np.concatenate([line((20, 60), (70, 60))[::2], np.tile([70.0, 60.0], (6, 1))])
    angle = np.linspace(0, np.pi, 12)
    turn = 60 + 30 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    bounce = np.concatenate([line((20, 20), (20, 115))[::2], line((20, 115), (20, 20))[1::2]])
    enter_area = np.array([0, 0] + [400] * 10)
    tracks = [line((20, 60), (80, 62)), stop, turn, bounce, line((-20, 60), (70, 60)), line((64, 64), (64, 64))]
    areas = [None, None, None, None, enter_area, None]
    truth = truth_of(*(record(track=track, area=area) for track, area in zip(tracks, areas, strict=True)))
    expected = dict(stops='FTFFFF', turns='FFT?FF', bounces='FFFTFF', enters='FFFFTF', still='FFFFFT', leaves='FFFFFF')
    assert {name: states(truth.event(name), 6) for name in expected} == expected
    assert states(truth.direction('right'), 6) == 'TTFFTF'
    assert states(truth.direction('left'), 6) == 'FF?FFF'  # half a circle ends on the left, but is not straight there
    assert states(truth.direction('down'), 6)[3] == '?'  # there and back is no direction


def test_truth_of_relations():
    truth = truth_of(
        record(track=line((20, 60), (20, 60)), covered={1: 200}),
        record(track=line((90, 60), (90, 60)), covered={2: 20}),
        record(track=line((92, 20), (92, 20))),
    )
    assert states(truth.relation('left of', 1, ()), 3) == 'TF?'
    assert states(truth.relation('above', 1, ()), 3) == '?FT'
    assert states(truth.relation('hidden by', 1, ()), 3) == 'TFF'
    assert states(truth.relation('covering', 0, ()), 3) == 'FTF'
    assert states(truth.relation('hidden by', 2, ()), 3) == 'F?F'  # 5 % of the area: neither clearly yes nor no


def test_exact_and_minimal_are_what_they_say():
    red, circle = Clue('appearance', 'color', 'red', 0b011, 0b100), Clue('appearance', 'shape', 'circle', 0b101, 0b010)
    assert singles_out((red, circle), 0, 0b111) and is_minimal((red, circle), 0b111)
    assert not singles_out((red,), 0, 0b111)
    only = Clue('appearance', 'size', 'large', 0b001, 0b110)
    assert singles_out((only, red), 0, 0b111) and not is_minimal((only, red), 0b111)
    unclear_clue = Clue('motion', 'event', 'stops', 0b001, 0b010)
    assert not singles_out((unclear_clue,), 0, 0b111)  # object 2 is not clearly ruled out


@pytest.mark.parametrize(('rival', 'needed'), [(122, True), (100, False), (90, False), (60, False)])
def test_superlative_names_the_kind_only_if_another_kind_lies_farther(rival, needed):
    truth = truth_of(
        record('square', track=line((20, 95), (20, 95))),
        record('square', track=line((100, 40), (100, 40))),
        record('star', track=line((60, rival), (60, rival))),
        record('star', track=line((90, 20), (90, 20))),
    )
    said = [[clue.value for clue in clues] for clues in minimal_sets(truth)[0]['position']]
    assert (['square', 'bottommost'] in said) == needed
    assert (['bottommost'] in said) == (rival == 60)


def test_scores_of_trivial_answers():
    video = make_video(EASY, 'train', 0)
    video.index = np.zeros((2, 4, 4), np.uint8)
    video.index[:, 0] = 1
    video.index[:, 1:3] = 2
    video.records = [record(area=np.array([4, 4])), record(area=np.array([8, 8]))]
    video.expressions = video.expressions[:2]
    for k in range(2):
        video.expressions[k].referent = k
    scores = scores_of_trivial_answers(video)
    assert scores['largest'] == [0.0, 1.0] and scores['random'] == [0.5, 0.5]
    np.testing.assert_allclose(scores['all'], [4 / 12, 8 / 12])


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        (dict(level='hard'), 'level must be one of'),
        (dict(form='vos'), 'form must be one of'),
        (dict(seed=-1), 'seed must be'),
        (dict(height=32), 'at least 64'),
        (dict(frames=4), 'at least 8 frames'),
    ],
)
def test_wrong_settings_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        MovingShapesSettings(**wrong)


def test_other_sizes_and_lengths():
    video = make_video(MovingShapesSettings(level='full', height=96, width=160, frames=10), 'test', 0)
    assert video.frames.shape == (10, 96, 160, 3) and video.index.shape == (10, 96, 160)
