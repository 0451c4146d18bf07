"""Makes colour-coded optical-flow images of videos, one for every frame, under the frame's name.

    python tools/dataset_converters/make_flow.py data/DAVIS/JPEGImages/480p --out data/DAVIS/Flow
    python tools/dataset_converters/make_flow.py data/TestSet/FBMS --frames Frame --flow Flow --workers 8
    python tools/dataset_converters/make_flow.py clips/*.mp4 --out flow --method raft \\
        --weights pretrained/raft_large_C_T_V1-22a6c225.pth --device cuda
    python tools/dataset_converters/make_flow.py data/DAVIS/JPEGImages/480p --out data/DAVIS/Flow --check
    python tools/dataset_converters/make_flow.py data/TrainSet/SampleYTBVOS-30 --frames Frame --flow Flow --only GT

A frame gets its flow to the next frame, the last one its flow to the one before. A source is a video file, a folder of
frames, or a folder of such. Images are written whole or not at all; an interrupted run goes on where it stopped.
Missing and extra images are errors that list their names.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[2]
if (ROOT / 'mmlvs').is_dir() and str(ROOT) not in sys.path:  # a checkout works without being installed
    sys.path.insert(0, str(ROOT))

from mmlvs.io.flow import DISFlow, Estimator, RAFTFlow  # noqa: E402
from mmlvs.io.flow_files import find_flow_jobs, folders_without_frames, keep_settings, run_flow_jobs  # noqa: E402


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('sources', nargs='+', metavar='SOURCE', help='video, folder of frames, or folder of such')
    parser.add_argument('--out', metavar='DIR', help='gets one folder a video; left out: see --flow')
    parser.add_argument('--frames', metavar='NAME', help='frames of a video lie in <video>/NAME')
    parser.add_argument('--flow', metavar='NAME', help='flow goes to <video>/NAME, below --out or else by the frames')
    parser.add_argument('--only', metavar='NAME', help='only frames with a file in <video>/NAME, such as GT')
    parser.add_argument('--method', choices=['dis', 'raft'], default='dis', help='estimator (default: %(default)s)')
    parser.add_argument('--preset', choices=DISFlow.PRESETS, default='medium', help='of dis (default: %(default)s)')
    parser.add_argument('--weights', metavar='FILE', help="of raft: torchvision's file, nothing is downloaded")
    parser.add_argument('--size', choices=['large', 'small'], default='large', help='of raft (default: %(default)s)')
    parser.add_argument('--iterations', type=int, default=12, help='of raft (default: %(default)s)')
    parser.add_argument('--device', default='cpu', help='of raft (default: %(default)s)')
    parser.add_argument('--max-radius', type=float, metavar='PIXELS',
                        help='length of full colour; left out: the longest of each image')
    parser.add_argument('--suffix', choices=['.png', '.jpg'], default='.png', help='format (default: %(default)s)')
    parser.add_argument('--workers', type=int, default=1, help='processes, a video each (default: %(default)s)')
    parser.add_argument('--check', action='store_true', help='only check that flow and frames belong together')
    args = parser.parse_args(arguments)
    if args.method == 'raft' and not args.weights and not args.check:
        parser.error('--method raft needs --weights')
    if args.max_radius is not None and not args.max_radius > 0:
        parser.error('--max-radius: expected a length above 0')
    if min(args.workers, args.iterations) < 1:
        parser.error('--workers, --iterations: expected at least 1')
    if not args.out and not args.flow:
        parser.error('name a folder for the results (--out), or one within each video (--flow)')
    return args


def estimator_of(args: argparse.Namespace) -> tuple[Estimator, dict]:
    """The estimator, and the settings that its images depend on."""
    if args.method == 'dis':
        return DISFlow(preset=args.preset), dict(method='dis', preset=args.preset)
    raft = dict(size=args.size, iterations=args.iterations)
    return (RAFTFlow(checkpoint=args.weights, device=args.device, **raft),
            dict(method='raft', weights=Path(args.weights).name, **raft))


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    try:
        jobs = find_flow_jobs(args.sources, args.out, frames=args.frames, flow=args.flow, only=args.only,
                              suffix=args.suffix, max_radius=args.max_radius)
        for folder in folders_without_frames(args.sources, frames=args.frames):
            print(f'passed over, no frames in it: {folder}', file=sys.stderr)
        estimator = None
        if not args.check:
            estimator, settings = estimator_of(args)
            settings.update(max_radius=args.max_radius, suffix=args.suffix)
            for folder in [Path(args.out)] if args.out else {job.target for job in jobs}:
                keep_settings(folder, settings)
        with tqdm(total=len(jobs), unit='video', disable=None) as bar:
            images, errors = run_flow_jobs(jobs, estimator, workers=args.workers, progress=bar.update)
    except (ValueError, OSError, ImportError) as error:
        print(f'make_flow: {error}', file=sys.stderr)
        return 1
    print(f'{len(jobs)} videos, {images} flow images {"checked" if args.check else "made"}, {len(errors)} errors')
    for error in errors:
        print(f'error: {error}', file=sys.stderr)
    return int(bool(errors))


if __name__ == '__main__':
    sys.exit(main())
