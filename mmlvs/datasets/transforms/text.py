"""Sentences: cleaning, and what a horizontal flip does to them. Character spans follow the words."""

import re
from collections.abc import Sequence

from mmlvs.datasets.transforms.compose import ClipTransform, Results
from mmlvs.registry import TRANSFORMS

Span = tuple[int, int]
_SIDE_WORD = re.compile(r'(?<!\w)(left|right)(?=(?:most|wards?|hand|handed|side)?(?!\w))', re.IGNORECASE)


def clean_text(text: str) -> str:
    """Lower case, words joined by single blanks (training text of Ref-YouTube-VOS; A2D and JHMDB always)."""
    return ' '.join(text.lower().split())


def clean_text_spans(text: str, spans: Sequence[Span] = ()) -> tuple[str, list[Span]]:
    """:func:`clean_text` and the spans of the same words in its result."""
    position, place = 0, [0] * (len(text) + 1)  # place[i]: where character i of the text stands in the result
    pending = False  # a blank between the words on both sides
    for i, character in enumerate(text):
        if character.isspace():
            place[i] = position
            pending = position > 0
            continue
        position += pending
        pending = False
        place[i] = position
        position += len(character.lower())
    place[len(text)] = position
    return clean_text(text), [_tighten(text, span, place) for span in spans]


def _tighten(text: str, span: Span, place: Sequence[int]) -> Span:
    start, end = span
    words = text[start:end]
    start += len(words) - len(words.lstrip())
    end -= len(words) - len(words.rstrip()) if words.strip() else end - start
    if start >= end:
        return place[start], place[start]
    return place[start], place[end - 1] + len(text[end - 1].lower())


def exchange_left_right(text: str, spans: Sequence[Span] = ()) -> tuple[str, list[Span]]:
    """Exchange "left" and "right" as whole words, with the spans of the same words in the result.

    Also "leftmost", "rightwards", "left-hand", "right-handed", "left side" and the like; "bright" and "upright" stay.
    Capitals are kept. A word that means no side ("right behind", "has left") is exchanged too: sentences do not tell.
    """
    out, edges, last = [], [], 0  # edges: (start, end, change of length) of each exchanged word
    for match in _SIDE_WORD.finditer(text):
        word = match.group(1)
        other = _like(word, 'right' if word.lower() == 'left' else 'left')
        out += [text[last:match.start()], other]
        edges.append((match.start(1), match.end(1), len(other) - len(word)))
        last = match.end()
    moved = [(_moved(start, edges, False), _moved(end, edges, True)) for start, end in spans]
    return ''.join([*out, text[last:]]), moved


def _like(word: str, other: str) -> str:
    if word.isupper():
        return other.upper()
    return other.capitalize() if word[0].isupper() else other


def _moved(position: int, edges: Sequence[tuple[int, int, int]], is_end: bool) -> int:
    shift = 0
    for start, end, change in edges:
        if position >= end:
            shift += change
        elif position > start:  # inside the word: the span's edge moves to the word's
            return (end + change if is_end else start) + shift
    return position + shift


def exchange_substrings(text: str) -> str:
    """Exchange "left" and "right" wherever the letters occur: the reference's rule ("bright" becomes "bleft")."""
    return text.replace('left', '\0').replace('right', 'left').replace('\0', 'right')


@TRANSFORMS.register_module()
class CleanText(ClipTransform):
    """Cleans every sentence (:func:`clean_text_spans`) and moves the noun chunks along."""

    def transform(self, results: Results) -> Results:
        """Change ``texts`` and ``noun_chunks``."""
        chunks = results.get('noun_chunks') or [[] for _ in results['texts']]
        cleaned = [clean_text_spans(t, c) for t, c in zip(results['texts'], chunks, strict=True)]
        results['texts'], results['noun_chunks'] = [t for t, _ in cleaned], [c for _, c in cleaned]
        return results
