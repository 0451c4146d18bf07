"""Named stages of a forward pass, observed only while somebody looks."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch

_recorder: ContextVar[dict[str, Any] | None] = ContextVar('mmlvs_taps', default=None)


def tap(name: str, value: Any) -> Any:
    """Mark a stage: give ``value`` back, and keep it under ``name`` while a recorder is active.

    A name that occurs again gets the later value. Compiled and exported networks have no stages to look at.
    """
    taps = None if torch.compiler.is_compiling() else _recorder.get()
    if taps is not None:
        taps[name] = value
    return value


@contextmanager
def record_taps() -> Iterator[dict[str, Any]]:
    """Collect the tapped stages of everything that runs inside the ``with`` block."""
    taps: dict[str, Any] = {}
    token = _recorder.set(taps)
    try:
        yield taps
    finally:
        _recorder.reset(token)
