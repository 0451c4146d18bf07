"""Count parameters and floating-point operations of a model, part by part.

    python tools/analysis_tools/get_flops.py CONFIG --shape 5 360 640 --texts 1

One forward pass with random weights on a synthetic clip; no data and no pretrained files are needed. Counted are
convolutions, matrix products and attention, a multiply-add as two operations (many papers print half of that).
"""

import argparse
import sys
from pathlib import Path

import torch
from mmengine.config import DictAction
from mmengine.dataset import pseudo_collate

from mmlvs.engine.entry import load_config
from mmlvs.engine.measuring import build_for_measuring, step_of
from mmlvs.engine.synthetic import synthetic_item, synthetic_texts
from mmlvs.utils.flops import PartCost, count_flops


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('--shape', type=int, nargs=3, metavar=('T', 'H', 'W'), default=[5, 360, 640],
                        help='frames, height and width of the clip (default: 5 360 640)')
    parser.add_argument('--texts', type=int, default=1, help='sentences asked about the clip (default: %(default)s)')
    parser.add_argument('--words', type=int, default=8, help='of a sentence (default: %(default)s)')
    parser.add_argument('--device', default='cpu', help='where to compute (default: %(default)s)')
    parser.add_argument('--json', type=Path, help='also write the numbers to this file')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='override settings: key=value ...')
    args = parser.parse_args(arguments)
    if min(*args.shape, args.texts, args.words) < 1:
        parser.error('--shape, --texts and --words: expected numbers of at least 1')
    return args


def parts_of(model: torch.nn.Module) -> list[str]:
    """Direct sub-modules that have parameters or compute, in the order of the model; many small ones go to 'rest'."""
    large = max((sum(p.numel() for p in child.parameters()) for child in model.children()), default=0)
    return [name for name, child in model.named_children()
            if name not in ('data_preprocessor', 'criterion')
            and (name.endswith(('backbone', 'encoder', 'decoder', 'transformer', 'head', 'fusion'))
                 or sum(p.numel() for p in child.parameters()) > 0.02 * large)]


def count(args: argparse.Namespace) -> dict[str, PartCost]:
    """Costs by part; ``args`` as of the command line."""
    model = build_for_measuring(load_config(args.config, args.cfg_options).model, device=args.device)
    item = synthetic_item(shape=tuple(args.shape), texts=synthetic_texts(args.texts, args.words))
    return count_flops(model, step_of(model, pseudo_collate([item]), 'forward'), parts_of(model))


def show(costs: dict[str, PartCost]) -> None:
    """Print a table."""
    width = max(len('in all'), *map(len, costs)) + 2
    whole = PartCost(*(sum(getattr(cost, name) for cost in costs.values())
                       for name in ('flops', 'parameters', 'trainable')))
    print(f'{"part":<{width}}{"parameters":>13}{"trainable":>13}{"GFLOPs":>12}{"share":>8}{"GMACs":>12}')
    for name, cost in [*costs.items(), ('in all', whole)]:
        share = 100 * cost.flops / whole.flops if whole.flops else 0.0
        print(f'{name:<{width}}{cost.parameters / 1e6:>11.3f} M{cost.trainable / 1e6:>11.3f} M{cost.flops / 1e9:>12.3f}'
              f'{share:>6.1f} %{cost.flops / 2e9:>12.3f}')


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    try:
        costs = count(args)
    except (FileNotFoundError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    frames, height, width = args.shape
    print(f'{args.config}: {frames} frames of {height} x {width}, {args.texts} sentences of {args.words} words')
    show(costs)
    print('Not counted: element-wise operations, norms, softmax, bilinear sampling.')
    if args.json is not None:
        from mmlvs.io.atomic import write_json

        write_json(args.json, dict(config=args.config, shape=args.shape, texts=args.texts, words=args.words,
                                   parts={name: vars(cost) for name, cost in costs.items()}))
        print(f'written to {args.json}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
