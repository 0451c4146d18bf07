"""What the official readers of the data sets return: the same items, order, fields and numbers, for comparison.

A *view* is a function ``view(data_root: Path, *, split, num_frames, limit) -> dict`` that answers for one set in the
unit and order of one official reader. Arguments that are None leave the choice to the view (all splits, the clip
lengths that it documents, all items). Modules register theirs in :data:`VIEWS` under ``(set name, reader name)``.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

View = Callable[..., dict[str, Any]]
VIEWS: dict[tuple[str, str], View] = {}

_MODULES: tuple[str, ...] = (
    'a2d',
    'davis2016',
    'jhmdb',
    'locater',
    'long_rvos',
    'mevis',
    'ref_davis',
    'ref_youtube_vos',
    'refcoco',
    'revos',
)


def register_view(name: str, reader: str) -> Callable[[View], View]:
    """Decorator: enter a function in :data:`VIEWS`."""
    def enter(view: View) -> View:
        VIEWS[name, reader] = view
        return view
    return enter


for _module in _MODULES:
    import_module(f'{__name__}.{_module}')
