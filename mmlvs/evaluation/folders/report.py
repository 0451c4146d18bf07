"""Tables and a plot of scored folders."""

import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmlvs.evaluation.folders.conventions import FolderConvention
from mmlvs.evaluation.folders.scoring import UnitScores
from mmlvs.evaluation.functional.davis import mean_of
from mmlvs.evaluation.functional.saliency import SALIENCY_NUMBERS, convention_of, saliency_summary
from mmlvs.evaluation.metrics.tables import write_csv
from mmlvs.io.atomic import atomic_path, write_json, write_text

_FRACTIONS = ('MAE', 'S', 'wF')
Row = dict[str, str | int | float]


def _percent(numbers: dict[str, float]) -> dict[str, float]:
    return {name: 100 * value for name, value in numbers.items()}


def _average(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: mean_of([row[name] for row in rows]) for name in rows[0]} if rows else {}


def summarise(scores: Sequence[UnitScores], convention: FolderConvention) -> tuple[dict[str, float], list[Row],
                                                                                  list[Row]]:
    """Numbers of the whole folder, of every video and of every track.

    J, F and the like are percentages and means over tracks; several annotator sets are averaged last. Saliency are
    fractions, averaged as their protocol says; a video of which it counts no frame has NaN in its row, and no share in
    the whole.

    Returns:
        Overall numbers; rows of the videos; rows of the tracks.

    Raises:
        ValueError: there is nothing to score.
    """
    if not scores:
        raise ValueError('no folder was scored')
    if convention.saliency:
        videos, c = {row.unit.video: row.saliency for row in scores}, convention_of(convention.saliency)

        def measured(part: dict) -> dict[str, float]:
            part = {name: rows for name, rows in part.items() if len(rows) > c.skip_first + c.skip_last}
            found = (saliency_summary(part, protocol=convention.saliency) if part else
                     dict.fromkeys(SALIENCY_NUMBERS, math.nan))
            return {name: value for name, value in found.items() if convention.saliency == 'standard' or name != 'wF'}

        lines = [{'video': name, 'frames': len(rows), **measured({name: rows})} for name, rows in videos.items()]
        return measured(videos), lines, []
    tracks: list[Row] = []
    videos: dict[tuple[str, str], list[dict]] = defaultdict(list)
    sets: dict[str, list[dict]] = defaultdict(list)
    groups: dict[str, list[dict]] = defaultdict(list)
    for row in scores:
        place = {'set': row.unit.group} if row.unit.group else {}
        for name, numbers in zip(row.names, row.numbers, strict=True):
            tracks.append({**place, 'video': row.unit.video, 'track': name, 'frames': len(row.frames),
                           **_percent(numbers)})
            videos[row.unit.group, row.unit.video].append(numbers)
            sets[row.unit.group].append(numbers)
            groups[row.unit.info.get('type', '')].append(numbers)
    if not tracks:
        raise ValueError('no object to score in any video')
    tables = {name: _percent(_average(rows)) for name, rows in sets.items()}
    total = _average(list(tables.values()))
    if len(tables) > 1:
        total |= {f'{name}/{key}': table[key] for name, table in tables.items() for key in ('J&F', 'J', 'F')}
    if set(groups) - {''}:
        total |= {f'{kind}/{key}': value for kind, rows in sorted(groups.items())
                  for key, value in _percent(_average(rows)).items() if '-' not in key}
    lines = [({'set': name} if name else {}) | {'video': video, 'tracks': len(rows)} | _percent(_average(rows))
             for (name, video), rows in videos.items()]
    return total, lines, tracks


def markdown_table(rows: Sequence[Row]) -> str:
    """Rows of the same columns as a table of Markdown; percentages with one, fractions with three decimals."""
    names = list(rows[0])
    lines = [names, ['---'] * len(names), *([_cell(name, row[name]) for name in names] for row in rows)]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines) + '\n'


def overall_table(total: dict[str, float]) -> str:
    """Numbers of the whole folder as a table of Markdown, one a line."""
    return markdown_table([{'score': name, 'value': _cell(name, value)} for name, value in total.items()])


def _cell(name: str, value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f'{value:.3f}' if name in _FRACTIONS or name.startswith(('max', 'mean', 'adp')) else f'{value:.1f}'


def write_report(folder: str | Path, total: dict[str, float], videos: Sequence[Row], tracks: Sequence[Row],
                 scores: Sequence[UnitScores], title: str) -> list[Path]:
    """Write ``overall.csv``, ``per_video.csv``, ``per_track.csv``, ``per_frame.csv``, ``scores.json`` (all digits, NaN
    as null), ``scores.md``, ``scores.png``.

    Returns:
        The files.
    """
    folder = Path(folder)
    frames = [({'set': row.unit.group} if row.unit.group else {})
              | {'video': row.unit.video, 'track': name, 'frame': frame, 'J': float(100 * j), 'F': float(100 * f)}
              for row in scores for name, js, fs in zip(row.names, row.j, row.f, strict=True)
              for frame, j, f in zip(row.frames, js, fs, strict=True)]
    frames += [{'video': row.unit.video, 'frame': frame, 'MAE': one.mae, 'S': float(one.structure)}
               for row in scores for frame, one in zip(row.frames, row.saliency, strict=False)]
    written = []
    for name, rows in (('overall', [total]), ('per_video', videos), ('per_track', tracks), ('per_frame', frames)):
        if rows:
            write_csv(folder / f'{name}.csv', rows)
            written.append(folder / f'{name}.csv')
    written.append(write_json(folder / 'scores.json', {'title': title, **{name: [
        {key: None if value != value else value for key, value in row.items()} for row in rows]
        for name, rows in (('overall', [total]), ('per_video', videos), ('per_track', tracks))}}))
    text = f'# {title}\n\n{overall_table(total)}\n{markdown_table(videos)}'
    written.append(write_text(folder / 'scores.md', text))
    written.append(plot_videos(folder / 'scores.png', videos, title))
    return written


def plot_videos(path: Path, videos: Sequence[Row], title: str) -> Path:
    """Bars of every video, the worst first."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = ('J', 'F') if 'J' in videos[0] else ('S', 'MAE')
    rows = sorted(videos, key=lambda row: row[names[0]])
    figure = Figure(figsize=(max(6.0, 0.3 * len(rows) + 2), 4), layout='constrained')
    FigureCanvasAgg(figure)
    axes, places = figure.add_subplot(), np.arange(len(rows))
    for k, name in enumerate(names):
        axes.bar(places + 0.4 * k - 0.2, [row[name] for row in rows], 0.4, label=name)
    axes.set_xticks(places, [' '.join(str(row[k]) for k in ('set', 'video') if k in row) for row in rows], rotation=90,
                    fontsize=7)
    axes.set_title(title)
    axes.legend()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)
    return path
