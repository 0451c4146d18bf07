"""Score a folder of PNG results without a model.

    python tools/analysis_tools/eval_masks.py --pred RESULTS --gt ANNOTATIONS --convention davis17-semi-supervised
    python tools/analysis_tools/eval_masks.py --pred RESULTS --dataset mevis --data-root data/mevis --split valid_u
    python tools/analysis_tools/eval_masks.py --list

Before anything is scored, names, nesting, sizes and missing frames are checked; whatever is wrong is listed in full and
the exit status is 1. With --out tables (CSV, Markdown) and a plot are written.
"""

import argparse
import sys
from pathlib import Path

from mmlvs.evaluation.folders import (
    DATASET_NAMES,
    FOLDER_CONVENTIONS,
    DatasetTruth,
    FolderTruth,
    find_problems,
    score_folder,
    summarise,
    write_report,
)
from mmlvs.evaluation.folders.report import markdown_table, overall_table

USUAL = {'ref-youtube-vos': 'expressions', 'mevis': 'expressions', 'folder': 'expressions', 'long-rvos': 'long-rvos',
         'ref-davis': 'ref-davis', 'davis16': 'davis16', 'davis17': 'davis17-unsupervised', 'zero-shot': 'zvos',
         'youtube-vos': 'objects'}


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--pred', type=Path, help='folder of results')
    parser.add_argument('--gt', type=Path, help='folder of annotations, nested as the results are')
    parser.add_argument('--dataset', help=f'instead of --gt: {", ".join(DATASET_NAMES)}, or a registered class')
    parser.add_argument('--data-root', type=Path, help='folder of the data set')
    parser.add_argument('--split', help='of the data set; default: its own')
    parser.add_argument('--convention', choices=sorted(FOLDER_CONVENTIONS), metavar='NAME',
                        help='how files are read and scored (--list shows all); default: objects with --gt, the usual '
                        'one of the data set with --dataset')
    parser.add_argument('--videos', nargs='+', help='score only these videos')
    parser.add_argument('--workers', type=int, default=1, help='processes (default: %(default)s)')
    parser.add_argument('--out', type=Path, help='folder of tables and plot')
    parser.add_argument('--list', action='store_true', help='show the conventions and stop')
    args = parser.parse_args(arguments)
    if args.list:
        return args
    if args.pred is None or (args.gt is None) == (args.dataset is None):
        parser.error('--pred is required, and one of --gt and --dataset')
    if args.dataset is not None and args.data_root is None:
        parser.error('--dataset needs --data-root')
    if args.workers < 1:
        parser.error(f'--workers {args.workers}: expected at least 1')
    if args.out is not None and args.out.resolve().is_relative_to(args.pred.resolve()):
        parser.error(f'--out {args.out} lies in the results; choose another folder')
    return args


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    if args.list:
        for name, convention in FOLDER_CONVENTIONS.items():
            print(f'{name:<26}{convention.note}')
        return 0
    name = args.convention or (USUAL.get(args.dataset, 'expressions') if args.dataset else 'objects')
    convention = FOLDER_CONVENTIONS[name]
    try:
        if args.gt is not None:
            truth = FolderTruth(root=args.gt, convention=convention)
        else:
            truth = DatasetTruth(name=args.dataset, data_root=args.data_root, split=args.split, convention=convention)
        units = truth.units(args.pred)
        if args.videos:
            lost = set(args.videos) - {unit.video for unit in units}
            if lost:
                raise ValueError(f'--videos {sorted(lost)}: the truth has no such videos')
            units = [unit for unit in units if unit.video in args.videos]
        problems = find_problems(args.pred, units, truth, only=bool(args.videos))
        if problems:
            print('\n'.join(problems), file=sys.stderr)
            print(f'error: {args.pred} cannot be scored as {name!r}: {len(problems)} problems', file=sys.stderr)
            return 1
        scores = []
        for row in score_folder(args.pred, units, truth, workers=args.workers):
            scores.append(row)
            if len(scores) % 50 == 0 or len(scores) == len(units):
                print(f'{len(scores)} of {len(units)} folders scored', file=sys.stderr, flush=True)
        total, videos, tracks = summarise(scores, convention)
    except (ValueError, FileNotFoundError, KeyError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    title = f'{args.pred.name or args.pred}, convention {name}'
    print(f'{title}: {convention.note}\n')
    print(markdown_table(videos))
    print(overall_table(total))
    if args.out is not None:
        for path in write_report(args.out, total, videos, tracks, scores, title):
            print(f'written: {path}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
