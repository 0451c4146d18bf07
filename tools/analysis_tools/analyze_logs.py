"""Draw curves of training logs, or tell how long training steps took.

    python tools/analysis_tools/analyze_logs.py plot_curve work_dirs/a work_dirs/b --keys loss valid/J\\&F --out a_b.png
    python tools/analysis_tools/analyze_logs.py cal_train_time work_dirs/a

A log is a scalars.json or a work folder; of a folder, the log of its newest run is read together with those of the runs
that it resumed.
"""

import argparse
import difflib
import statistics
import sys
from pathlib import Path

from mmlvs.visualization import plot_curves, read_scalars, smooth
from mmlvs.visualization.curves import Curve

Log = dict[str, Curve]


class LogError(RuntimeError):
    """A log does not hold what is asked for; the message says what it holds."""


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest='command', required=True)
    curve = commands.add_parser('plot_curve', help='draw values over iterations, a panel for each key',
                                epilog='example: analyze_logs.py plot_curve work_dirs/a --keys loss lr --smooth 5')
    curve.add_argument('logs', nargs='+', help='scalars.json or work folder')
    curve.add_argument('--keys', nargs='+', default=['loss'], help='what to draw (default: loss)')
    curve.add_argument('--legend', nargs='+', help='a name for each log; default: their folders')
    curve.add_argument('--smooth', type=int, default=1, metavar='N', help='running mean over N points (default: 1)')
    curve.add_argument('--out', type=Path, default=Path('curves.png'), help='.png, .svg or .pdf (default: %(default)s)')
    time = commands.add_parser('cal_train_time', help='seconds of training steps',
                               epilog='example: analyze_logs.py cal_train_time work_dirs/a')
    time.add_argument('logs', nargs='+', help='scalars.json or work folder')
    time.add_argument('--include-outliers', action='store_true',
                      help='count the first entry of a log, which warms up, as well')
    args = parser.parse_args(arguments)
    if args.command == 'plot_curve':
        if args.smooth < 1:
            parser.error(f'--smooth {args.smooth}: expected at least 1')
        if args.legend and len(args.legend) != len(args.logs):
            parser.error(f'--legend gives {len(args.legend)} names for {len(args.logs)} logs')
        if args.out.suffix not in ('.png', '.svg', '.pdf'):
            parser.error(f'--out {args.out}: expected a name that ends in .png, .svg or .pdf')
    return args


def names_of(logs: list[str]) -> list[str]:
    """Short different names for logs: the part of their paths that differs."""
    places = [Path(log).resolve() for log in logs]
    places = [place.parents[2] if place.name == 'scalars.json' and len(place.parts) > 3 else place for place in places]
    for depth in range(1, max(len(place.parts) for place in places) + 1):
        names = ['/'.join(place.parts[-depth:]) for place in places]
        if len(set(names)) == len(names):
            return names
    return [f'{number}: {place.name}' for number, place in enumerate(places, start=1)]


def pick(log: Log, key: str, name: str) -> Curve:
    """The curve of a key.

    Raises:
        LogError: the log has none.
    """
    if key in log:
        return log[key]
    near = difflib.get_close_matches(key, log, n=1, cutoff=0.4)
    hint = f'did you mean {near[0]!r}? ' if near else ''
    raise LogError(f'{name} has no {key!r}; {hint}It has {", ".join(sorted(log)) or "no numbers at all"}')


def plot(args: argparse.Namespace) -> None:
    """Draw a panel for each key with a curve for each log that has it."""
    names = args.legend or names_of(args.logs)
    logs = {name: read_scalars(path) for name, path in zip(names, args.logs, strict=True)}
    panels: dict[str, dict[str, Curve]] = {}
    for key in args.keys:
        holders = [name for name, log in logs.items() if key in log]
        if not holders:
            pick(logs[names[0]], key, args.logs[0])
        for name in set(names) - set(holders):
            print(f'note: {name} has no {key!r}')
        title = f'{key}, mean of {args.smooth} points' if args.smooth > 1 else key
        panels[title] = {name: smooth(logs[name][key], args.smooth) for name in holders}
    plot_curves(args.out, panels)
    print(f'written to {args.out}')


def train_time(args: argparse.Namespace) -> None:
    """Print how long training steps took. A log entry is a mean over some steps."""
    for path, name in zip(args.logs, names_of(args.logs), strict=True):
        log = read_scalars(path)
        entries = pick(log, 'time', path)
        if not args.include_outliers and len(entries) > 1:
            entries = entries[1:]
        values = [value for _, value in entries]
        slowest, fastest = (choice(entries, key=lambda entry: entry[1]) for choice in (max, min))
        waiting = dict(log.get('data_time', ()))
        waits = [waiting[step] for step, _ in entries if step in waiting]
        print(f'{name}: {len(values)} entries up to iteration {entries[-1][0]}')
        print(f'  mean {statistics.fmean(values):.4f} s a step, median {statistics.median(values):.4f} s, '
              f'standard deviation {statistics.pstdev(values):.4f} s')
        print(f'  slowest entry: {slowest[1]:.4f} s at iteration {slowest[0]}; fastest: {fastest[1]:.4f} s at '
              f'{fastest[0]}')
        if waits:
            share = 100 * sum(waits) / sum(values)
            print(f'  waiting for data: {statistics.fmean(waits):.4f} s a step, {share:.1f} % of it')


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    try:
        (plot if args.command == 'plot_curve' else train_time)(args)
    except (LogError, FileNotFoundError, ValueError, ImportError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
