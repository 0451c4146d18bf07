"""Tables of results, on disk and in the log."""

import csv
import os
from collections.abc import Mapping, Sequence

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


def text_table(title: str, numbers: Mapping[str, float], *, digits: int) -> str:
    """A table of one row under its title, columns as wide as they need.

    Args:
        title: what the numbers are and by which rules.
        numbers: name -> value.
        digits: decimals.
    """
    cells = [(name, f'{value:.{digits}f}') for name, value in numbers.items()]
    widths = [max(map(len, cell)) for cell in cells]
    rows = ('  '.join(cell[k].rjust(width) for cell, width in zip(cells, widths, strict=True)) for k in range(2))
    return '\n'.join((title, *(f'    {row}' for row in rows)))
