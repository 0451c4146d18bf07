"""Check a data set on disk: what is missing, unreadable or odd, and which items it gives.

    python tools/analysis_tools/check_dataset.py ref-youtube-vos --data-root data/ref-youtube-vos
    python tools/analysis_tools/check_dataset.py mevis --data-root data/mevis --split valid_u --quick
    python tools/analysis_tools/check_dataset.py folder --data-root my_videos
    python tools/analysis_tools/check_dataset.py mevis --data-root DIR --as samwise --json out.json

Exit code 1 with the full list of problems; notes (parts of a set, objects that are never visible, files that nothing
reads) do not count. With `--as` items are listed in the unit and order of that official reader, and the JSON file holds
them under the reader's name with its own fields.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmlvs.datasets.checked_sets import SETS, CheckedSet
from mmlvs.datasets.checking import Problem, SplitReport, check_split, clashing_videos
from mmlvs.datasets.problems import REFUSED
from mmlvs.io import write_json

SHOWN = 5
READERS = {'lavt': ('lavt_ris', 'lavt'), 'sa2va': ('sa2va_eval', 'sa2va_train', 'sa2va_valid_masks')}
"""Readers that have several names, or of which a set has several; first come those that recordings use."""


class CheckError(RuntimeError):
    """The command asks for something that there is not; the message says what there is."""


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('name', choices=sorted(SETS), metavar='NAME', help=f'one of {", ".join(sorted(SETS))}')
    parser.add_argument('--data-root', type=Path, required=True, help='folder of the data set')
    parser.add_argument('--split', help='only this one (default: all that are on disk)')
    parser.add_argument('--as', dest='reader', help='official reader: referformer, mttr, lavt, lavt_rs, locater, '
                                                    'referdino, samwise, sa2va, or another that the set has')
    parser.add_argument('--expect', type=Path, help='JSON file with what the official reader returned, by '
                                                    'reader: every difference is a problem')
    parser.add_argument('--num-frames', type=int, help='frames of a clip of that reader (default: its documented ones)')
    parser.add_argument('--json', type=Path, help='write the whole report and all items there')
    parser.add_argument('--limit', type=int, help=f'list so many items (default: {SHOWN} on the screen, all in the '
                                                  'JSON file)')
    parser.add_argument('--quick', action='store_true', help='headers of images only, no masks')
    parser.add_argument('--strict', action='store_true', help='numbers that differ from those of the whole set are '
                                                              'problems, not notes')
    parser.add_argument('--workers', type=int, default=4, help='threads (default: %(default)s)')
    args = parser.parse_args(arguments)
    for key in ('num_frames', 'limit', 'workers'):
        if getattr(args, key) is not None and getattr(args, key) < 1:
            parser.error(f'--{key.replace("_", "-")}: expected a number of at least 1')
    if args.expect is not None and args.reader is None:
        parser.error('--expect needs --as READER')
    return args


def check(checked: CheckedSet, args: argparse.Namespace) -> list[SplitReport]:
    """Reports of the splits.

    Raises:
        CheckError: there is nothing to check.
    """
    if not args.data_root.is_dir():
        raise CheckError(f'--data-root {args.data_root}: there is no such folder')
    parts = checked.parts(args.data_root)
    if not parts:
        raise CheckError(f'{args.data_root}: no annotations of {checked.name} here; see docs/en/datasets.md for the '
                         'folders and files that it consists of')
    chosen = {label: build for label, build in parts.items()
              if args.split in (None, label, label.rpartition('/')[2])}
    if not chosen and args.reader is None:
        raise CheckError(f'--split {args.split}: not among those on disk, {", ".join(parts)}')
    reports = []
    for label, build in chosen.items():
        folder = checked.frames(args.data_root, label) if checked.frames else None
        if folder is not None and not folder.is_dir() and args.split is None and len(chosen) > 1:
            note = f'split {label}: its frames are not here ({folder}); not checked'
            reports.append(SplitReport(label, notes=[note]))
            continue
        report = check_split(label, build, files=checked.files(args.data_root, label), further=checked.further,
                             quick=args.quick, workers=args.workers, limit=0 if args.reader else args.limit,
                             progress=show_progress if sys.stderr.isatty() else None)
        compare_counts(checked, report, args.strict)
        reports.append(report)
    if checked.disjoint:
        reports[0].problems += clashing_videos(reports) if reports else []
    return reports


def show_progress(split: str, done: int, total: int) -> None:
    """One line that counts videos."""
    print(f'\r{split}: {done} of {total} videos', end='' if done < total else '\n', file=sys.stderr, flush=True)


def compare_counts(checked: CheckedSet, report: SplitReport, strict: bool) -> None:
    """Hold what was found against the numbers of the whole set."""
    for what, known in checked.counts.get(report.split, {}).items():
        found = report.counts.get(what)
        if found is not None and found not in known:
            text = (f'split {report.split}: {found} {what}, the whole set has {" or ".join(map(str, known))}')
            if strict:
                report.add('count', '', text)
            else:
                report.notes.append(text)


def read_as(args: argparse.Namespace, name: str) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Reader -> its items, with the fields of that reader; and reader -> why it cannot read.

    Raises:
        CheckError: the set has no such reader.
    """
    from mmlvs.datasets.official import VIEWS

    there = [reader for key, reader in VIEWS if key == name]
    wanted = READERS.get(args.reader, (args.reader,))
    if args.reader == 'lavt' and 'lavt_ris' in there:
        wanted = ('lavt_ris',)
    readers = [reader for reader in wanted if reader in there]
    if not readers:
        raise CheckError(f'--as {args.reader}: {name} has the readers {", ".join(sorted(there)) or "(none)"}')
    views, failures = {}, {}
    for reader in readers:
        try:
            views[reader] = VIEWS[name, reader](args.data_root, split=args.split, num_frames=args.num_frames,
                                                limit=args.limit)
        except REFUSED as error:
            failures[reader] = str(error.args[0]) if isinstance(error, KeyError) else str(error)
    return views, failures


def compare(views: dict[str, dict[str, Any]], file: Path) -> list[Problem]:
    """Differences of what readers give from what a file says.

    Raises:
        CheckError: the file cannot be read, or lacks a reader.
    """
    from mmlvs.datasets.official.common import differences

    try:
        expected = json.loads(file.read_text(encoding='utf-8'))
    except (OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckError(f'--expect {file}: cannot be read ({error})') from error
    lost = sorted(set(views) - set(expected))
    if lost:
        raise CheckError(f'--expect {file}: says nothing of the reader {", ".join(lost)}, only of '
                         + ', '.join(expected))
    return [Problem('annotation', '', '', f'differs from {file.name}: {place}') for reader, view in views.items()
            for place in differences(json.loads(json.dumps(view)), expected[reader], reader)]


def print_reports(reports: list[SplitReport], problems: list[Problem], shown: int) -> None:
    """The report for people."""
    for report in reports:
        if report.counts:
            print(f'{report.split}: ' + ', '.join(f'{number} {what.replace("_", " ")}'
                                                  for what, number in report.counts.items()))
        for item in report.items[:shown]:
            texts = '; '.join(repr(e['text']) if e['text'] is not None else f'object {e["objects"]}'
                              for e in item['expressions'])
            frames = item['frames']
            print(_short(f'  item {item["index"]}: {item["video"]}, {len(frames)} frames '
                         f'{frames[0] if frames else ""}..{frames[-1] if frames else ""}, {texts}'))
    notes = [note for report in reports for note in report.notes]
    if notes:
        print(f'{len(notes)} notes:')
        print('\n'.join(f'  {note}' for note in notes))
    print(f'{len(problems)} problems' + (':' if problems else ': none'))
    for problem in problems:
        print(f'  [{problem.kind}] {problem.split}: {problem.message}')


def print_views(views: dict[str, dict[str, Any]], shown: int) -> None:
    """The first items of every list of items of a reader."""
    for reader, view in views.items():
        print(f'as {reader} ({view.get("class", "")}):')
        for path, rows in _lists(view, ''):
            print(f'  {path}: {len(rows)} listed')
            for row in rows[:shown]:
                print(_short('    ' + json.dumps(row, ensure_ascii=False)))


def _short(text: str, most: int = 240) -> str:
    return text if len(text) <= most else text[:most - 3] + '...'


def _lists(content: Any, path: str) -> list[tuple[str, list]]:
    if isinstance(content, list) and content and isinstance(content[0], dict):
        return [(path, content)]
    if isinstance(content, dict):
        return [found for key, value in content.items() for found in _lists(value, f'{path}/{key}' if path else key)]
    return []


def main(arguments: Sequence[str] | None = None) -> int:
    args = parse_args(arguments)
    checked = SETS[args.name]
    views: dict[str, dict[str, Any]] = {}
    try:
        if args.limit is None and args.json is None and args.expect is None:
            args.limit = SHOWN
        reports = check(checked, args)
        problems = [problem for report in reports for problem in report.problems]
        if args.reader is not None:
            views, failures = read_as(args, checked.name)
            for reader, message in failures.items():
                if views and args.split is not None:  # other readers of the group are for this split
                    print(f'{reader} is left out: {message}')
                else:
                    problems.append(Problem('annotation', args.split or '', '', f'--as {reader}: {message}'))
        if args.expect is not None:
            problems += compare(views, args.expect)
    except CheckError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print_reports(reports, problems, args.limit or SHOWN)
    print_views(views, args.limit or SHOWN)
    if args.json is not None:
        content = dict(name=checked.name, data_root=str(args.data_root), splits={r.split: r.as_dict() for r in reports},
                       problems=[vars(problem) for problem in problems],
                       notes=[note for report in reports for note in report.notes])
        write_json(args.json, content | views)
        print(f'written to {args.json}')
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main())
