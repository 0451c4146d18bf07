"""Refusing what is wrong in an annotation file: at once, or, when a data set is checked, all of it in one list."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar('T')
REFUSED = (ValueError, FileNotFoundError, KeyError)
"""Errors that say that data are wrong or missing."""
_collected: ContextVar[list[Exception] | None] = ContextVar('collected', default=None)


@contextmanager
def collect_problems() -> Iterator[list[Exception]]:
    """Within, :func:`refuse` adds to the list instead of raising."""
    token = _collected.set([])
    try:
        yield _collected.get()
    finally:
        _collected.reset(token)


def refuse(error: Exception) -> None:
    """Raise an error, or note it within :func:`collect_problems`."""
    collected = _collected.get()
    if collected is None:
        raise error
    collected.append(error)


def accept_each(make: Callable[..., T], entries: Iterable[tuple[Any, ...]]) -> list[T]:
    """``make(*entry)`` of every entry; one that is refused stops it, or is left out within :func:`collect_problems`."""
    made = []
    for entry in entries:
        try:
            made.append(make(*entry))
        except REFUSED as error:
            refuse(error)
    return made
