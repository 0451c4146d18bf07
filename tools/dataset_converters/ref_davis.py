"""Converts the raw download of Ref-DAVIS17 to the layout of Ref-YouTube-VOS.

    python tools/dataset_converters/ref_davis.py --data-root data/ref-davis-raw --out data/ref-davis

The root holds ``DAVIS`` (zips "Unsupervised-trainval-480p" and "semantics-480p") and ``davis_text_annotations``. Frames
and unsupervised annotations are linked, not moved, so that DAVIS stays whole for evaluation. An interrupted run goes on
where it stopped; a second run does nothing. mmlvs reads the raw download too, without this conversion.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from mmlvs.datasets.converting import MODES, Conversion
from mmlvs.datasets.ref_davis import TASKS, convert_annotations


def convert(data_root: Path, out: Path, conversion: Conversion, *, strict: bool = True) -> None:
    """Both splits: the json files, frames and annotations."""
    for split in ('train', 'valid'):
        expressions, meta = convert_annotations(data_root, split, strict=strict)
        for name in tqdm(expressions['videos'], desc=split, unit='sequence', disable=None):
            for kind, source in (('JPEGImages', 'JPEGImages'), ('Annotations', TASKS['unsupervised'])):
                folder = data_root / 'DAVIS' / source / '480p' / name
                files = sorted(f for f in folder.iterdir() if f.suffix in ('.jpg', '.png'))
                for file in files:
                    conversion.place(file, out / split / kind / name / file.name)
        conversion.write_json(out / split / 'meta.json', meta)
        conversion.write_json(out / 'meta_expressions' / split / 'meta_expressions.json', expressions)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data-root', type=Path, required=True, help='folder of the raw download')
    parser.add_argument('--out', type=Path, required=True, help='folder of the converted set')
    parser.add_argument('--mode', choices=MODES, default='hardlink', help='how files get there')
    parser.add_argument('--cut-to-shortest', action='store_true',
                        help='where a text file lacks an object, pair what is left as the official converter does')
    args = parser.parse_args(arguments)
    conversion = Conversion(mode=args.mode)
    try:
        convert(args.data_root, args.out, conversion, strict=not args.cut_to_shortest)
    except (ValueError, OSError) as error:
        print(f'ref_davis: {error}', file=sys.stderr)
        return 1
    print(conversion.summary())
    return 0


if __name__ == '__main__':
    sys.exit(main())
