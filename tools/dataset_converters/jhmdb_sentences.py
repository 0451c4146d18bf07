"""Builds the COCO ground truth of JHMDB-Sentences from its metadata file and, only if asked, draws a metadata file.

    python tools/dataset_converters/jhmdb_sentences.py --data-root data/jhmdb_sentences
    python tools/dataset_converters/jhmdb_sentences.py --data-root data/jhmdb_sentences --draw --seed 42

The metadata file that MTTR distributes defines which frames are evaluated: take that one for numbers to be reported.
``--draw`` is for own experiments and never replaces a file. Nothing of the download is changed; a second run does
nothing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from mmlvs.datasets.converting import Conversion, coco_truth
from mmlvs.datasets.jhmdb_sentences import METADATA, draw_metadata, read_metadata, truth_samples

TRUTH = 'jhmdb_sentences_gt_annotations_in_coco_format.json'


def convert(data_root: Path, out: Path, conversion: Conversion, *, seed: int | None = None) -> None:
    """The ground truth; with a seed and without metadata, metadata first."""
    if (data_root / METADATA).is_file():
        rows = read_metadata(data_root)
    elif seed is None:
        rows = read_metadata(data_root)  # says what is missing
    else:
        rows = draw_metadata(data_root, seed)
        conversion.write_json(out / METADATA, rows)
        conversion.remarks.append(f'frames drawn under seed {seed}: numbers on them are not comparable with reported '
                                  'ones')
    samples = truth_samples(data_root, tqdm(rows, desc='ground truth', unit='sample', disable=None))
    conversion.write_json(out / TRUTH, coco_truth(samples), replace=False)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data-root', type=Path, required=True)
    parser.add_argument('--out', type=Path, help='folder of the new files; default: the data root, where readers look')
    parser.add_argument('--draw', action='store_true', help='draw the evaluated frames if there is no metadata file')
    parser.add_argument('--seed', type=int, default=42, help='of --draw')
    args = parser.parse_args(arguments)
    conversion = Conversion()
    try:
        convert(args.data_root, args.out or args.data_root, conversion, seed=args.seed if args.draw else None)
    except (ValueError, OSError) as error:
        print(f'jhmdb_sentences: {error}', file=sys.stderr)
        return 1
    print(conversion.summary())
    return 0


if __name__ == '__main__':
    sys.exit(main())
