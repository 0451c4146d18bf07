"""Converts RefCOCO, RefCOCO+ and RefCOCOg (REFER download) to the COCO-style files of ReferFormer and its family.

    python tools/dataset_converters/refcoco.py --data-root data/refer --out data/coco

Writes ``<set>/instances_<set>_<split>.json``: one image entry and one annotation per sentence; divisions unc, unc and
umd. Pickles are read without running code in them. The source stays as it is; a second run does nothing. mmlvs reads
the pickles too, without this conversion.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from mmlvs.datasets.converting import Conversion
from mmlvs.datasets.refcoco import (
    SPLIT_BY,
    convert_references,
    read_instances,
    read_references,
    select_references,
)

SPLITS = dict(unc=('train', 'val', 'testA', 'testB'), umd=('train', 'val', 'test'), google=('train', 'val', 'test'))


def convert(data_root: Path, out: Path, subsets: list[str], conversion: Conversion,
            split_by: str | None = None) -> None:
    """All splits of the sets."""
    for subset in subsets:
        by = split_by or SPLIT_BY[subset][0]
        references = read_references(data_root / subset / f'refs({by}).p')
        instances = read_instances(data_root / subset / 'instances.json')
        for split in tqdm(SPLITS[by], desc=subset, unit='split', disable=None):
            content = convert_references(select_references(references, split), instances, subset)
            if content['images']:
                conversion.write_json(out / subset / f'instances_{subset}_{split}.json', content)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data-root', type=Path, required=True, help='folder of the REFER download')
    parser.add_argument('--out', type=Path, required=True, help='folder of the converted sets')
    parser.add_argument('--sets', nargs='+', choices=sorted(SPLIT_BY), default=sorted(SPLIT_BY))
    parser.add_argument('--split-by', choices=sorted(SPLITS), help='division; default: unc, unc, umd')
    args = parser.parse_args(arguments)
    conversion = Conversion()
    try:
        convert(args.data_root, args.out, args.sets, conversion, args.split_by)
    except (ValueError, OSError) as error:
        print(f'refcoco: {error}', file=sys.stderr)
        return 1
    print(conversion.summary())
    return 0


if __name__ == '__main__':
    sys.exit(main())
