"""Brings DAVIS or YouTube-VOS into the layout of zero-shot training: <out>/<sequence>/{Frame,GT}, one foreground.

    python tools/dataset_converters/zero_shot.py davis2016 --data-root data/davis2016 --split train \\
        --out data/zero-shot/TrainSet/DAVIS_FBMS
    python tools/dataset_converters/zero_shot.py youtube-vos --data-root data/youtube-vos --split train --every 30 \\
        --out data/zero-shot/TrainSet/SampleYTBVOS-30

Frames are linked, all of them, so that flow between neighbours can be made; masks are written with all objects as 255.
Training and testing take the frames that have a mask. An interrupted run goes on where it stopped, a second run does
nothing, and the source stays as it is. Flow images are made afterwards, by tools/dataset_converters/make_flow.py with
--frames Frame --flow Flow, and --only GT where not every frame has a mask. mmlvs reads both sources without this
conversion too (DAVIS16Dataset, YouTubeVOSDataset with merge=True).
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from mmlvs.datasets import DAVIS16Dataset, DAVIS17Dataset, VideoExpressionDataset, YouTubeVOSDataset
from mmlvs.datasets.converting import MODES, Conversion
from mmlvs.datasets.png_masks import FOREGROUND
from mmlvs.io import write_mask_png


def source_of(args: argparse.Namespace) -> VideoExpressionDataset:
    """The data set to convert, with one foreground per video."""
    common = dict(data_root=args.data_root, split=args.split, test_mode=True, with_masks=True)
    if args.source == 'davis2016':
        return DAVIS16Dataset(**common)
    return (YouTubeVOSDataset if args.source == 'youtube-vos' else DAVIS17Dataset)(merge=True, **common)


def convert(dataset: VideoExpressionDataset, out: Path, conversion: Conversion, *, every: int = 1) -> None:
    """Place the frames and masks of all videos; ``every``: the mask of each so many-th frame of a video only."""
    masks = dataset.mask_source()
    for video in tqdm(dataset.videos, desc=out.name, unit='sequence', disable=None):
        folder = out / video.video_id
        for t, frame in enumerate(video.frame_ids):
            image = dataset.frame_path(video.video_id, frame)
            conversion.place(image, folder / 'Frame' / f'{frame}{image.suffix}')
            target = folder / 'GT' / f'{frame}.png'
            if t % every:
                continue
            if target.is_file():  # written whole or not at all
                conversion.kept += 1
                continue
            found = masks.read(video.video_id, frame, t, [FOREGROUND])
            if found is not None:
                write_mask_png(target, found.objects[0] > 0)
                conversion.written += 1


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', choices=['davis2016', 'davis2017', 'youtube-vos'])
    parser.add_argument('--data-root', type=Path, required=True, help='folder of the source')
    parser.add_argument('--split', default='train', help='default: %(default)s')
    parser.add_argument('--out', type=Path, required=True, help='folder of the set, below TrainSet or TestSet')
    parser.add_argument('--every', type=int, default=1, help='masks of each so many-th frame (default: %(default)s)')
    parser.add_argument('--mode', choices=MODES, default='hardlink', help='how frames get there')
    args = parser.parse_args(arguments)
    if args.every < 1:
        parser.error('--every: expected a number of at least 1')
    conversion = Conversion(mode=args.mode)
    try:
        convert(source_of(args), args.out, conversion, every=args.every)
    except (ValueError, OSError) as error:
        print(f'zero_shot: {error}', file=sys.stderr)
        return 1
    print(conversion.summary())
    return 0


if __name__ == '__main__':
    sys.exit(main())
