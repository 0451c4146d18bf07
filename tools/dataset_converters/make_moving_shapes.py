"""Makes the embedded data set: small videos of moving shapes with sentences, in the layout of Ref-YouTube-VOS.

    python tools/dataset_converters/make_moving_shapes.py --out data/moving_shapes_easy --level easy
    python tools/dataset_converters/make_moving_shapes.py --out data/moving_shapes_full --level full \
        --videos train=2000 valid=200 --workers 8
    python tools/dataset_converters/make_moving_shapes.py --out data/moving_shapes_zero_shot --form zero-shot

The same settings give the same bytes. An interrupted run goes on where it stopped; a complete folder is kept.
"""

from __future__ import annotations

import argparse
import sys

from tqdm import tqdm

from mmlvs.datasets.moving_shapes import MovingShapesSettings, format_statistics, generate


def parse_videos(pairs: list[str]) -> dict[str, int]:
    """['train=400', 'valid=50'] -> {'train': 400, 'valid': 50}."""
    videos = {}
    for pair in pairs:
        split, equals, number = pair.partition('=')
        if not equals or not number.isdigit() or split in videos:
            raise ValueError(f'--videos takes SPLIT=NUMBER once for each split, such as train=400; found {pair!r}')
        videos[split] = int(number)
    return videos


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', required=True, help='folder of the data set')
    parser.add_argument('--level', choices=['easy', 'full'], default='easy')
    parser.add_argument('--form', choices=['rvos', 'zero-shot'], default='rvos')
    parser.add_argument('--videos', nargs='+', default=['train=400', 'valid=50'], metavar='SPLIT=NUMBER')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--size', type=int, nargs='+', default=[128], metavar='PIXELS', help='side, or height width')
    parser.add_argument('--frames', type=int, default=0, help='of a video; 0: 12 for easy, 24 for full')
    parser.add_argument('--workers', type=int, default=1, help='processes; has no influence on the result')
    args = parser.parse_args(arguments)
    if len(args.size) > 2:
        parser.error('--size takes one number, or height and width')
    return args


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    try:
        settings = MovingShapesSettings(
            level=args.level,
            form=args.form,
            seed=args.seed,
            height=args.size[0],
            width=args.size[-1],
            frames=args.frames,
        )
        videos = parse_videos(args.videos)
        with tqdm(total=sum(videos.values()), unit='video', disable=None) as bar:

            def progress(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            statistics = generate(args.out, settings, videos, workers=args.workers, progress=progress)
    except (ValueError, FileExistsError, FileNotFoundError) as error:
        print(f'make_moving_shapes: {error}', file=sys.stderr)
        return 1
    print(format_statistics(statistics))
    return 0


if __name__ == '__main__':
    sys.exit(main())
