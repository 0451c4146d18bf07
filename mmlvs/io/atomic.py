"""Files that exist whole or not at all: write beside the target, sync, rename."""

import glob
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Give a temporary path beside ``path``; on leaving without an error it takes ``path``'s place in one step.

    A reader sees the old file or the whole new one; an exception or a kill leaves the old file as it was. The temporary
    file keeps the target's suffix (writers choose their format by it) and is removed when the block raises.

    Args:
        path: the file to write; missing folders are made.

    Yields:
        The path to write to.

    Raises:
        FileNotFoundError: the block wrote nothing.
        IsADirectoryError: ``path`` is a folder.
    """
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(f'{target} is a folder; expected the path of a file to write')
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f'.{target.stem}.', suffix=f'.part{target.suffix}', dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    temporary.unlink()  # only the unique name is wanted: "wrote nothing" must be seen
    try:
        yield temporary
        if not temporary.is_file():
            raise FileNotFoundError(f'nothing was written for {target}: the writer left no file at {temporary}')
        _sync(temporary)
        os.replace(temporary, target)
        _sync(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def remove_parts(folder: str | os.PathLike, stem: str | None = None) -> list[Path]:
    """Remove the temporary files that killed processes left directly in a folder, and return their paths.

    Call it only where nobody is writing these files.

    Args:
        folder: the folder.
        stem: only those of files of this name (without suffix); None = all.
    """
    pattern = '.*.part*' if stem is None else f'.{glob.escape(stem)}.*.part*'
    found = sorted(path for path in Path(folder).glob(pattern) if path.is_file())
    for path in found:
        path.unlink(missing_ok=True)
    return found


def write_bytes(path: str | os.PathLike, data: bytes) -> Path:
    """Write ``data`` to ``path`` atomically and return the path."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
    return Path(path)


def write_text(path: str | os.PathLike, text: str) -> Path:
    """Write ``text`` as UTF-8 to ``path`` atomically and return the path."""
    return write_bytes(path, text.encode('utf-8'))


def write_json(path: str | os.PathLike, value: Any, *, indent: int | None = 2) -> Path:
    """Write ``value`` as JSON to ``path`` atomically and return the path.

    Raises:
        ValueError: ``value`` holds NaN or an infinity, which JSON cannot say.
    """
    return write_text(path, json.dumps(value, indent=indent, allow_nan=False) + '\n')


def _sync(path: Path) -> None:
    """Ask the system to bring a file or folder to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
