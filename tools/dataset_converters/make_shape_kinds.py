r"""Adds sentences about kinds ("every star", "every object on the left") to a data set of moving shapes, as a file of
its own, meta_expressions/<split>/<name>.json, which a config names under `layout.expressions`.

    python tools/dataset_converters/make_shape_kinds.py data/moving-shapes-full --name looks \
        --types appearance position relation

The file holds the data set's sentences of these types too, unless --only-kinds; see the module `kinds` of
mmlvs.datasets.moving_shapes.
"""

from __future__ import annotations

import argparse
import sys

from mmlvs.datasets.moving_shapes import write_kinds
from mmlvs.datasets.moving_shapes.truth import ATTRIBUTES, CLUE_TYPES


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('root', help='folder of the data set')
    parser.add_argument('--split', default='train')
    parser.add_argument('--types', nargs='+', choices=CLUE_TYPES, default=list(CLUE_TYPES))
    parser.add_argument('--attributes', nargs='+', choices=ATTRIBUTES, default=list(ATTRIBUTES),
                        help='by which kinds of appearance are told')
    parser.add_argument('--only-kinds', action='store_true', help="without the data set's own sentences")
    parser.add_argument('--most', type=int, default=3, metavar='NUMBER', help='sentences about kinds for each video')
    parser.add_argument('--name', default='kinds', help='of the file, without suffix')
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    try:
        path = write_kinds(args.root, split=args.split, types=args.types, attributes=args.attributes, most=args.most,
                           only_kinds=args.only_kinds, name=args.name)
    except (ValueError, FileNotFoundError) as error:
        print(f'make_shape_kinds: {error}', file=sys.stderr)
        return 1
    print(path)
    return 0


if __name__ == '__main__':
    sys.exit(main())
