"""Builds what A2D-Sentences needs once: the per-frame lists, the COCO ground truth and, if wanted, frames as images.

    python tools/dataset_converters/a2d_sentences.py --data-root data/a2d_sentences
    python tools/dataset_converters/a2d_sentences.py --data-root data/a2d_sentences --frames

``--frames`` decodes every mp4 once into ``frames/<video>/00001.png`` (lossless: the pixels stay equal), so that
training does not decode whole videos again and again. Files are added beside the download, none of it is changed. An
interrupted run goes on where it stopped; a second run does nothing.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from functools import partial
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from mmlvs.datasets.a2d_sentences import PLACES, build_list, need_place, read_list, truth_samples, videos_of_subset
from mmlvs.datasets.converting import Conversion, coco_truth
from mmlvs.io import iter_frames

TRUTH = 'a2d_sentences_test_annotations_in_coco_format.json'


def extract(video: Path, folder: Path) -> bool:
    """Decode a video into numbered PNGs; the folder appears whole. False: it is there already."""
    if folder.is_dir():
        return False
    part = folder.with_name(f'.{folder.name}.part')
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for number, frame in enumerate(iter_frames(video), 1):
        Image.fromarray(frame).save(part / f'{number:05d}.png', compress_level=3)
    part.rename(folder)
    return True


def convert(data_root: Path, out: Path, conversion: Conversion, *, frames: bool = False) -> None:
    """Lists and ground truth, and the frames of all videos in use."""
    for subset in ('train', 'test'):
        file = out / PLACES['list'][0].format(subset=subset)
        rows = build_list(data_root, subset, partial(tqdm, desc=subset, unit='query', disable=None))
        conversion.write_json(file, [list(row) for row in rows], replace=False)
    rows = tqdm(read_list(out if (out / PLACES['list'][0].format(subset='test')).is_file() else data_root, 'test'),
                desc='ground truth', unit='sample', disable=None)
    conversion.write_json(out / TRUTH, coco_truth(truth_samples(data_root, rows)), replace=False)
    if not frames:
        return
    clips = need_place(data_root, 'clips')
    for name in tqdm(sorted(videos_of_subset(data_root, 'train') | videos_of_subset(data_root, 'test')), desc='frames',
                     unit='video', disable=None):
        if extract(clips / f'{name}.mp4', out / PLACES['frames'][0] / name):
            conversion.written += 1
        else:
            conversion.kept += 1


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data-root', type=Path, required=True)
    parser.add_argument('--out', type=Path, help='folder of the new files; default: the data root, where readers look')
    parser.add_argument('--frames', action='store_true', help='also decode all videos into PNGs')
    args = parser.parse_args(arguments)
    conversion = Conversion()
    try:
        convert(args.data_root, args.out or args.data_root, conversion, frames=args.frames)
    except (ValueError, OSError) as error:
        print(f'a2d_sentences: {error}', file=sys.stderr)
        return 1
    print(conversion.summary())
    return 0


if __name__ == '__main__':
    sys.exit(main())
