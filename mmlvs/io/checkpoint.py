"""Checkpoints are data: opened without running code, written whole or not at all."""

import codecs
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmlvs.io.atomic import atomic_path

_HINT = ('The file is refused rather than run as a program. If it is a checkpoint of another project, turn it into '
         'ours with tools/model_converters; if it came from an interrupted copy, fetch it again.')


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be read safely; the message names the file."""


def _allowed_types() -> list[Any]:
    """What mmengine writes beside tensors into its own checkpoints: log histories and numpy numbers."""
    from mmengine.logging import HistoryBuffer

    def statistic(owner: Any, name: str) -> Any:
        """Stands in for ``getattr``, which log histories use to name their statistics; anything else is refused."""
        if (owner is HistoryBuffer or isinstance(owner, HistoryBuffer)) and name in ('mean', 'max', 'min', 'current'):
            return getattr(owner, name)
        raise CheckpointError(f'the file asks for {name!r} of {owner!r}, which is not data')

    statistic.__module__, statistic.__name__, statistic.__qualname__ = 'builtins', 'getattr', 'getattr'
    core = np._core if hasattr(np, '_core') else np.core
    numbers = ('float64', 'float32', 'int64', 'int32', 'uint8', 'uint32', 'bool')
    return [HistoryBuffer, statistic, codecs.encode, np.ndarray, np.dtype, core.multiarray._reconstruct,
            core.multiarray.scalar, *(type(np.dtype(kind)) for kind in numbers)]


@contextmanager
def safe_globals(allowed: Sequence[Any]) -> Iterator[None]:
    """As ``torch.serialization.safe_globals``, which torch 2.4 lacks: classes and functions that files may name."""
    known = list(torch.serialization.get_safe_globals())
    torch.serialization.add_safe_globals(list(allowed))
    try:
        yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(known)


def load_checkpoint_file(path: str | os.PathLike, map_location: Any = 'cpu') -> dict[str, Any]:
    """Read a checkpoint file as data.

    Args:
        path: ``.safetensors`` (tensors only; gives ``{'state_dict': ...}``) or a file of ``torch.save``.
        map_location: as in ``torch.load``.

    Returns:
        The dictionary in the file.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: the file is broken, or holds objects other than data.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'checkpoint {path} does not exist')
    try:
        if path.suffix == '.safetensors':
            from safetensors.torch import load_file

            device = map_location if isinstance(map_location, (str, torch.device)) else 'cpu'
            return {'state_dict': load_file(str(path), device=str(device))}
        with safe_globals(_allowed_types()):
            return torch.load(path, map_location=map_location, weights_only=True)
    except Exception as error:
        raise CheckpointError(f'checkpoint {path} cannot be read: {error}\n{_HINT}') from error


def save_checkpoint_file(checkpoint: dict[str, Any], path: str | os.PathLike) -> None:
    """Write a checkpoint so that the file of this name is always whole: to a neighbour first, flushed, then renamed."""
    with atomic_path(path) as temporary:
        torch.save(checkpoint, temporary)


def report_keys(keys: Any, filename: str, logger: Any, *, complete: bool = False) -> None:
    """Warn of tensors that a model and a file do not share.

    Args:
        keys: (missing, unexpected), what ``load_state_dict(strict=False)`` returns.
        filename: the file, for the message.
        logger: gets the warnings.
        complete: the model is to be tested, so that what the file lacks would be random.

    Raises:
        CheckpointError: tensors are missing (other than counters of batch norms) and ``complete`` is set.
    """
    lost = [name for name in keys[0] if not name.endswith('num_batches_tracked')]
    if complete and lost:
        raise CheckpointError(f'{filename} lacks {len(lost)} tensors of this model, such as {", ".join(lost[:4])}, and '
                              f'has {len(keys[1])} unknown ones: parts of the network would be tested with random '
                              'weights. Take the config it was trained with; if it is a file of another code, '
                              'tools/model_converters/convert.py makes one of ours of it')
    for what, names in zip(('missing in', 'unknown in'), keys, strict=True):
        if names:
            shown = ', '.join(names[:8]) + (f' … and {len(names) - 8} more' if len(names) > 8 else '')
            logger.warning(f'{len(names)} tensors {what} {filename}: {shown}')
