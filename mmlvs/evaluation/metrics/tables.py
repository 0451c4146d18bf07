"""Tables of results on disk."""

import csv
import os
from collections.abc import Sequence

from mmlvs.io.atomic import atomic_path


def write_csv(path: str | os.PathLike, lines: Sequence[dict]) -> None:
    """Write a table whole or not at all; numbers with four decimals.

    Args:
        path: the CSV file.
        lines: rows of the same columns, at least one.
    """
    with atomic_path(path) as temporary, open(temporary, 'w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, fieldnames=list(lines[0]))
        writer.writeheader()
        writer.writerows({k: f'{v:.4f}' if isinstance(v, float) else v for k, v in line.items()} for line in lines)
