"""Check a submission before it is uploaded: names, counts, sizes, palette, nesting.

    python tools/analysis_tools/check_submission.py submission.zip --target ref-youtube-vos --data-root data/ref-ytvos
    python tools/analysis_tools/check_submission.py RESULTS --target mevis --meta valid/meta_expressions.json

A folder is checked as what a zip of its contents would be. Everything that is wrong is listed; the exit status is 0
only for a submission without problems.
"""

import argparse
import sys
from pathlib import Path

from mmlvs.evaluation.submission import TARGETS, Files, check_submission, wanted_of_dataset, wanted_of_meta


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('submission', type=Path, help='folder or zip')
    parser.add_argument('--target', required=True, choices=sorted(TARGETS), help='who gets it')
    parser.add_argument('--data-root', type=Path, help='folder of the data set; its frames tell the sizes')
    parser.add_argument('--split', help='default: valid')
    parser.add_argument('--meta', type=Path, help='instead of --data-root: the meta_expressions.json of the split')
    parser.add_argument('--exclude', type=Path, help='with --meta: leave out the videos of this file (of the '
                        'Ref-YouTube-VOS validation: the meta_expressions.json of the test split)')
    parser.add_argument('--headers-only', action='store_true', help='do not decode pixels')
    args = parser.parse_args(arguments)
    if (args.data_root is None) == (args.meta is None):
        parser.error('one of --data-root and --meta is required')
    return args


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    target = TARGETS[args.target]
    try:
        if args.meta is not None:
            wanted = wanted_of_meta(target, args.meta, args.exclude)
        else:
            wanted = wanted_of_dataset(target, args.data_root, args.split)
        if target.archive and Files(args.submission).archive is None:
            print('note: the server takes a zip; this folder is checked as the contents of one', file=sys.stderr)
        problems = check_submission(args.submission, target, wanted, pixels=not args.headers_only,
                                    progress=lambda done, total: done % 200 or print(f'{done} of {total} folders',
                                                                                     file=sys.stderr))
    except (ValueError, FileNotFoundError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    videos, frames = set(wanted.video_of.values()), sum(map(len, wanted.folders.values()))
    print(f'{args.target}: {len(videos)} videos, {len(wanted.folders)} folders, {frames} files expected; sizes known '
          f'for {len(wanted.sizes)} videos')
    for line in problems:
        print(line)
    print(f'{len(problems)} problems' if problems else 'no problem found')
    return int(bool(problems))


if __name__ == '__main__':
    sys.exit(main())
