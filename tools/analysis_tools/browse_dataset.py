"""Draw what the pipeline of a config yields: frames, masks, boxes and sentences, after all transforms.

    python tools/analysis_tools/browse_dataset.py CONFIG --out train.png
    python tools/analysis_tools/browse_dataset.py CONFIG --split val --number 20 --out val.png

Items are spread evenly over the data set, or chosen with --items. Colours of masks, boxes and the squares before the
sentences belong to objects; a grey square means that the object is not known, or that there is none.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from mmengine.config import DictAction

from mmlvs.datasets.samplers import ClipIndex
from mmlvs.engine.entry import load_config
from mmlvs.registry import DATASETS
from mmlvs.utils import build
from mmlvs.visualization import item_panel, write_item_sheet


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('--split', choices=['train', 'val', 'test'], default='train', help='default: %(default)s')
    parser.add_argument('--out', type=Path, default=Path('browse_dataset.png'), help='PNG file (default: %(default)s)')
    parser.add_argument('--number', type=int, default=8, help='items shown (default: %(default)s)')
    parser.add_argument('--items', type=int, nargs='+', help='numbers of the items to show, instead of --number')
    parser.add_argument('--epoch', type=int, default=0, help='draws of this epoch (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='of the draws (default: %(default)s)')
    parser.add_argument('--columns', type=int, default=6, help='frames shown of an item (default: %(default)s)')
    parser.add_argument('--cell-height', type=int, default=144, help='pixels of a frame (default: %(default)s)')
    parser.add_argument('--stream', default='img', help='which frames (default: %(default)s)')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='override settings: key=value ...')
    args = parser.parse_args(arguments)
    if min(args.number, args.columns, args.cell_height) < 1:
        parser.error('--number, --columns and --cell-height: expected numbers of at least 1')
    if args.out.suffix.lower() != '.png':
        parser.error(f'--out {args.out}: expected a name that ends in .png')
    return args


def build_dataset(args: argparse.Namespace) -> Any:
    """The data set of the split.

    Raises:
        ValueError: the config has none for it.
    """
    cfg = load_config(args.config, args.cfg_options)
    loader = cfg.get(f'{args.split}_dataloader')
    if not loader:
        there = [name for name in ('train', 'val', 'test') if cfg.get(f'{name}_dataloader')]
        raise ValueError(f'{args.config} has no {args.split}_dataloader; choose --split {" or ".join(there) or "..."}')
    return build(loader.dataset, DATASETS)


def choose(length: int, args: argparse.Namespace) -> list[int]:
    """Indices of the items shown.

    Raises:
        ValueError: an item is asked for that the data set does not have.
    """
    if args.items:
        wrong = [index for index in args.items if not -length <= index < length]
        if wrong:
            raise ValueError(f'--items {wrong}: the data set has items 0 to {length - 1}')
        return [index % length for index in args.items]
    number = min(args.number, length)
    return [k * length // number for k in range(number)]


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    try:
        dataset = build_dataset(args)
        panels = []
        for index in choose(len(dataset), args):
            item = dataset[ClipIndex(index, epoch=args.epoch, seed=args.seed)]
            title = f'{item["data_samples"].metainfo.get("video_id", "")}  (item {index})'
            panels.append(item_panel(item, stream=args.stream, columns=args.columns, cell_height=args.cell_height,
                                     title=title))
        write_item_sheet(args.out, panels, title=f'{Path(args.config).stem}, {args.split}: {len(panels)} of '
                                                 f'{len(dataset)} items')
    except (FileNotFoundError, KeyError, ValueError, RuntimeError) as error:
        print(f'error: {error.args[0] if isinstance(error, KeyError) else error}', file=sys.stderr)
        return 1
    print(f'{len(panels)} of {len(dataset)} items: {args.out}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
