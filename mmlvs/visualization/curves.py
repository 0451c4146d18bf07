"""Curves of a run: read the JSON log that training writes, draw it with matplotlib."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmlvs.io.atomic import atomic_path

Curve = list[tuple[float, float]]


def read_scalars(path: str | os.PathLike) -> dict[str, Curve]:
    """Read a ``scalars.json`` of a work folder: on each line a JSON object with ``step`` and numbers.

    Steps are iterations. Scores of a validation, whose ``step`` may be an epoch, count at the last iteration logged
    before them, and its times are called ``val/time`` and ``val/data_time``. A last line cut off by a kill is left out;
    where a step is repeated, the later value counts.

    Args:
        path: the file, or a work folder. Of a folder, the logs of its newest run and of the runs that this one resumed
            are joined: a log cuts the ones before it off at its own first step.

    Returns:
        For each name its points (step, value) in the order of steps.

    Raises:
        FileNotFoundError: no such file, or none in the folder.
        ValueError: a line that is no JSON object.
    """
    points: dict[str, dict[float, float]] = {}
    for log in _find_scalars(Path(path)):
        found = _read_log(log)
        start = min((step for curve in found.values() for step in curve), default=float('inf'))
        points = {name: {step: y for step, y in curve.items() if step < start} for name, curve in points.items()}
        for name, curve in found.items():
            points.setdefault(name, {}).update(curve)
    return {name: sorted(curve.items()) for name, curve in points.items() if curve}


def _read_log(path: Path) -> dict[str, dict[float, float]]:
    """Name -> step -> value of one file."""
    lines = path.read_text(encoding='utf-8').splitlines()
    points: dict[str, dict[float, float]] = {}
    last = 0
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            if number == len(lines):
                break
            raise ValueError(f'{path}, line {number}: expected a JSON object, found {line[:60]!r}') from error
        step = record.get('iter', record.get('step'))
        if step is None:
            continue  # the header line, or a record of another kind
        last = step = record['iter'] if 'iter' in record else max(step, last)
        for name, value in record.items():
            if name not in ('step', 'iter', 'epoch') and isinstance(value, (int, float)):
                own = 'iter' not in record and name in ('time', 'data_time')
                points.setdefault(f'val/{name}' if own else name, {})[step] = value
    return points


def plot_curves(path: str | os.PathLike, panels: Mapping[str, Mapping[str, Curve]], *, x_label: str = 'iteration',
                lines: Mapping[str, float] | None = None, panel_of_lines: str | None = None) -> Path:
    """Draw curves into an image, one panel a group.

    Args:
        path: the ``.png``, ``.svg`` or ``.pdf`` to write, atomically.
        panels: title of a panel → name of a curve → points (x, y).
        x_label: under the lowest panel.
        lines: name → y of horizontal reference lines, such as trivial baselines.
        panel_of_lines: the panel that gets them; default the last.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: nothing to draw, or an unknown panel.
    """
    if not panels or not any(points for curves in panels.values() for points in curves.values()):
        raise ValueError('nothing to draw: expected at least one curve with a point')
    wanted = panel_of_lines if panel_of_lines is not None else list(panels)[-1]
    if wanted not in panels:
        raise ValueError(f'no panel {wanted!r} for the reference lines; there are {list(panels)}')
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('curves need matplotlib: pip install matplotlib') from error
    figure = Figure(figsize=(8, 3 * len(panels)), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axis, (title, curves) in zip(axes, panels.items(), strict=True):
        for name, points in curves.items():
            axis.plot([x for x, _ in points], [y for _, y in points], label=name,
                      marker='.' if len(points) < 30 else None)
        if title == wanted:
            for name, y in (lines or {}).items():
                axis.axhline(y, linestyle='--', linewidth=1, color='grey')
                axis.annotate(name, (0.99, y), xycoords=('axes fraction', 'data'), ha='right', va='bottom', fontsize=8)
        axis.set_title(title, loc='left', fontsize=10)
        axis.grid(alpha=0.3)
        if curves:
            axis.legend(fontsize=8)
    axes[-1].set_xlabel(x_label)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)
    return Path(path)


def smooth(points: Sequence[tuple[float, float]], window: int) -> Curve:
    """Running mean over up to ``window`` points that end at each point.

    Raises:
        ValueError: a window below 1.
    """
    if window < 1:
        raise ValueError(f'expected a window of at least 1, found {window}')
    values = [y for _, y in points]
    return [(x, sum(values[max(0, i + 1 - window):i + 1]) / len(values[max(0, i + 1 - window):i + 1]))
            for i, (x, _) in enumerate(points)]


def _find_scalars(path: Path) -> list[Path]:
    """The file itself, or the logs of the newest work folder under a folder, from the first run to the last."""
    if path.is_dir():
        found = sorted(path.glob('**/scalars.json'), key=lambda item: item.stat().st_mtime)
        if not found:
            raise FileNotFoundError(f'{path} holds no scalars.json: expected the work folder of a training run')
        work = found[-1].parents[2]  # <work folder>/<time of start>/vis_data/scalars.json
        return sorted((log for log in found if log.parents[2] == work), key=lambda log: log.parents[1].name)
    if not path.is_file():
        raise FileNotFoundError(f'no log at {path}: expected a scalars.json or a work folder')
    return [path]
