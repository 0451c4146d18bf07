"""Sentences: cleaning, exchange of sides, and the spans of noun phrases."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlvs.datasets.transforms import CleanText
from mmlvs.datasets.transforms.text import clean_text, clean_text_spans, exchange_left_right, exchange_substrings

WORDS = ['left', 'right', 'Left', 'RIGHT', 'leftmost', 'bright', 'upright', 'cleft', 'left-hand', 'the', 'dog',
         'rightwards']


@pytest.mark.parametrize('text, other', [
    ('the left bright car right of a lefty', 'the right bright car left of a lefty'),
    ('Leftmost dog, moving RIGHT.', 'Rightmost dog, moving LEFT.'),
    ('left-hand side and right-handed man', 'right-hand side and left-handed man'),
    ('an upright copyright cleft alright righteous', 'an upright copyright cleft alright righteous'),
    ('moves leftwards on the rightside', 'moves rightwards on the leftside'),
    ('', ''),
])
def test_sides_are_whole_words(text, other):
    assert exchange_left_right(text)[0] == other
    assert exchange_left_right(other)[0] == text


def test_substrings_as_the_reference():
    assert exchange_substrings('the left bright car') == 'the right bleft car'


def _chunks(draw, text):
    words = [m.span() for m in re.finditer(r'\S+', text)]
    if not words:
        return []
    picks = draw(st.lists(st.tuples(st.integers(0, len(words) - 1), st.integers(0, len(words) - 1)), max_size=3))
    return [(words[min(p)][0], words[max(p)][1]) for p in picks]


@settings(max_examples=150, deadline=None)
@given(words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=8), data=st.data())
def test_spans_follow_the_exchange(words, data):
    text = ' '.join(words)
    spans = _chunks(data.draw, text)
    other, moved = exchange_left_right(text, spans)
    for (start, end), (s, e) in zip(spans, moved, strict=True):
        assert other[s:e] == exchange_left_right(text[start:end])[0]
    assert exchange_left_right(other, moved) == (text, spans)


@settings(max_examples=150, deadline=None)
@given(text=st.text(alphabet=list('aB .\t\nİß'), max_size=20), data=st.data())
def test_spans_follow_the_cleaning(text, data):
    spans = _chunks(data.draw, text)
    cleaned, moved = clean_text_spans(text, spans)
    assert cleaned == clean_text(text) == ' '.join(text.lower().split())
    for (start, end), (s, e) in zip(spans, moved, strict=True):
        assert cleaned[s:e] == clean_text(text[start:end])


def test_spans_with_blanks_at_their_edges():
    assert clean_text_spans('  A  Dog ', [(0, 5), (2, 9), (3, 5)]) == ('a dog', [(0, 1), (0, 5), (2, 2)])


def test_transform():
    results = dict(texts=[' A  dog', 'B'], noun_chunks=[[(1, 7)], []], rng=np.random.default_rng(0))
    got = CleanText()(results)
    assert got['texts'] == ['a dog', 'b'] and got['noun_chunks'] == [[(0, 5)], []]
