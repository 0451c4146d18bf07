"""Measure speed and memory, always against something measured in the same run.

    python tools/analysis_tools/benchmark.py model --shape 5 360 640 --baseline plain --csv model.csv
    python tools/analysis_tools/benchmark.py texts --texts 1 4
    python tools/analysis_tools/benchmark.py dataset --config CONFIG --items 50 --baseline plain
    python tools/analysis_tools/benchmark.py metrics --shape 20 480 854
    python tools/analysis_tools/benchmark.py stream --frames 400 --clip-length 8
    python tools/analysis_tools/benchmark.py flow --shape 8 480 854 --threads 2

What is compared takes turns, so that noise of the machine hits both; ratios are medians over rounds, with their middle
half. Models have random weights and synthetic clips: only `dataset` needs data, nothing needs pretrained files.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import torch
from mmengine.config import DictAction
from mmengine.dataset import pseudo_collate
from torch import nn

from mmlvs.engine import ClipStateHook
from mmlvs.engine.entry import load_config
from mmlvs.engine.measuring import (
    MODES,
    MeasurementTable,
    build_for_measuring,
    largest_difference,
    load_factory,
    step_of,
    times,
)
from mmlvs.engine.measuring_flow import measure_flow
from mmlvs.engine.synthetic import synthetic_item, synthetic_texts, synthetic_video
from mmlvs.utils.timing import PeakMemory, Spread, Timing, machine, measure, stopwatch

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / 'configs/referformer/referformer_video-swin-t_8xb1-6e_ref-youtube-vos.py'
FLOW_CONFIG = ROOT / 'configs/isomer/isomer_swin-t_2xb8-500e_youtube-vos.py'
MIB = 2**20


class BenchmarkError(RuntimeError):
    """Something cannot be measured; the message says why and what to do."""


def build_models(args: argparse.Namespace) -> dict[str, nn.Module]:
    """The model of ``--config``, and that of ``--baseline`` when there is one."""
    setting = load_config(args.config, args.cfg_options).model
    build = partial(build_for_measuring, device=args.device, seed=args.seed)
    models = {'model': build(setting)}
    if args.baseline is None:
        return models
    if args.baseline.endswith('.py'):
        return models | {'baseline': build(load_config(args.baseline).model)}
    factory = args.baseline
    if factory == 'plain':
        file = ROOT / 'tests' / 'plain' / f'{setting.type.rpartition(".")[2].lower()}.py'
        if not file.is_file():
            raise BenchmarkError(f'--baseline plain: there is no {file}, the plain form of this method. It is part of '
                                 'the source repository only; leave --baseline out to measure the model alone, or '
                                 'name another config')
        factory = f'{file}:plain_form'
        if str(ROOT) not in sys.path:  # plain forms import each other as tests.plain
            sys.path.append(str(ROOT))
    elif ':' not in factory:
        raise BenchmarkError(f'--baseline {factory}: expected a config (CONFIG.py), "plain", or FILE.py:FUNCTION')
    return models | {'baseline': load_factory(factory)(models['model'])}


def batch(args: argparse.Namespace, number: int) -> dict:
    """A collated batch of synthetic clips with ``number`` sentences each."""
    texts = synthetic_texts(number, args.words)
    return pseudo_collate([synthetic_item(shape=tuple(args.shape), texts=texts, seed=args.seed + b, video_id=f'clip{b}')
                           for b in range(args.batch)])


# ------------------------------------------------------------ the subcommands


def run_model(args: argparse.Namespace, table: MeasurementTable) -> None:
    """Forward pass, prediction and training step."""
    models = build_models(args)
    if 'baseline' in models and not args.baseline.endswith('.py'):
        error = largest_difference(*(step_of(model, batch(args, args.texts), 'forward')() for model in models.values()))
        table.value('largest relative difference', error, f'{error:.1e} between model and baseline')
        if not error <= args.tolerance:
            raise BenchmarkError(f'model and baseline differ by {error:.1e} (--tolerance {args.tolerance:.0e}): they '
                                 'are not the same network, so their times cannot be compared')
    frames = args.batch * args.shape[0]
    for mode in args.modes:
        tasks = {name: step_of(model, batch(args, args.texts), mode, amp=args.amp) for name, model in models.items()}
        found = measure(tasks, repeats=args.repeats, warmup=args.warmup, device=args.device)
        if 'baseline' in found:
            table.timing(f'{mode}, baseline', found['baseline'], amount=frames, unit='frames')
        table.timing(mode, found['model'], baseline=found.get('baseline'), amount=frames, unit='frames')


def run_texts(args: argparse.Namespace, table: MeasurementTable) -> None:
    """What more sentences about one clip cost."""
    args.baseline = None
    model = build_models(args)['model']
    owner, method = (model, 'encode_video') if hasattr(model, 'encode_video') else (model.backbone, 'forward')
    steps = {number: step_of(model, batch(args, number), 'forward', amp=args.amp) for number in {1, *args.texts}}
    laps: dict[str, list[float]] = dict(once=[], backbone=[])

    def one() -> None:
        with stopwatch(model.backbone, 'forward', args.device) as inner, stopwatch(owner, method, args.device) as outer:
            steps[1]()
        laps['once'].append(sum(outer))
        laps['backbone'].append(sum(inner))

    def apart() -> None:
        for _ in range(max(args.texts)):
            steps[1]()

    numbers = sorted(set(args.texts) - {1})
    found = measure({'one': one, **{str(number): steps[number] for number in numbers}, 'apart': apart},
                    repeats=args.repeats, warmup=args.warmup, device=args.device)
    once, backbone = (Timing(tuple(laps[name][args.warmup:])) for name in ('once', 'backbone'))
    rest = Timing(tuple(a - b for a, b in zip(found['one'].seconds, once.seconds, strict=True)))
    table.timing('b: once a clip', once, note='' if owner is model.backbone else f'{method}: backbone and projections')
    table.timing('   of it the backbone', backbone)
    table.timing('t: once a text', rest, note='the rest of the pass with one text')
    table.timing('1 text', found['one'])
    table.timing(f'{max(args.texts)} passes of 1 text', found['apart'])
    b, t = once.spread.median, rest.spread.median
    for number in numbers:
        timing = found[str(number)]
        whole = number == max(numbers)
        table.timing(f'{number} texts', timing, baseline=found['apart'] if whole else None,
                     against=f'{number} passes of 1 text')
        cost, ideal = found['one'].times_faster_than(timing), (b + number * t) / (b + t)
        table.value(f'cost of {number} texts', cost.median, f'{times(cost)} that of one text. (b + {number} t) / '
                    f'(b + t) = {ideal:.2f}; cost by this: {cost.median / ideal:.3f}', ideal=ideal)


def run_dataset(args: argparse.Namespace, table: MeasurementTable) -> None:
    """Items a second of the data set of a config, and where the time goes; or reading alone against the plain form."""
    from mmlvs.registry import DATASETS
    from mmlvs.utils import build

    settings = {}
    for name, path in dict(model=args.config, baseline=args.baseline).items():
        if path is None or path == 'plain':
            continue
        loader = load_config(path, args.cfg_options if name == 'model' else None).get(f'{args.split}_dataloader')
        if not loader:
            raise BenchmarkError(f'{path} has no {args.split}_dataloader; choose another --split')
        settings[name] = loader.dataset
    if args.baseline == 'plain':
        run_reading(args, table, settings['model'])
        return
    datasets = {name: build(setting, DATASETS) for name, setting in settings.items()}
    steps: dict[str, list[float]] = {}
    for part in getattr(datasets['model'], 'datasets', [datasets['model']]):
        part.pipeline.transforms = [_Timed(transform, steps.setdefault(f'{n}. {type(transform).__name__}', []))
                                    for n, transform in enumerate(part.pipeline.transforms, start=1)]
    tasks = {name: partial(_read_next, dataset, iter(_spread_indices(len(dataset), args.warmup)
                                                    + _spread_indices(len(dataset), args.items)))
             for name, dataset in datasets.items()}
    if args.warmup:
        measure(tasks, repeats=args.warmup, warmup=0)
    for laps in steps.values():
        laps.clear()
    found = measure(tasks, repeats=args.items, warmup=0)
    if 'baseline' in found:
        table.timing('item, baseline', found['baseline'], amount=1, unit='items')
    table.timing('item', found['model'], baseline=found.get('baseline'), amount=1, unit='items')
    total = sum(sum(laps) for laps in steps.values())
    for name, laps in steps.items():
        if laps:
            table.timing(f'  {name}', Timing(tuple(laps)), note=f'{100 * sum(laps) / total:5.1f} % of the pipeline')
    calls = max(map(len, steps.values()), default=0)
    if calls > args.items:
        print(f'{calls - args.items} further items were drawn, as an item showed no target')


def run_reading(args: argparse.Namespace, table: MeasurementTable, setting: dict) -> None:
    """Clips a second: read once with all their sentences, and one sentence at a time, against the plain form."""
    from mmlvs.datasets.measuring import measure_reading, reading_datasets

    file = ROOT / 'tests' / 'plain' / 'loading.py'
    if not file.is_file():
        raise BenchmarkError(f'--baseline plain: there is no {file}, the plain form of reading. It is part of the '
                             'source repository only; leave --baseline out, or name another config')
    plain_form = load_factory(f'{file}:plain_form')
    for unit, title in dict(video='all sentences', expression='one sentence').items():
        for name, dataset in reading_datasets(setting, unit=unit, clip_length=args.clip_length).items():
            indices = list(dict.fromkeys(_spread_indices(len(dataset), args.items)))
            measure_reading(table, dataset, plain_form(dataset), name=f'{name}, {title}', indices=indices,
                            warmup=args.warmup)


class _Timed:
    """A transform that notes how long each call takes."""

    def __init__(self, transform: Callable, laps: list[float]) -> None:
        self.transform, self.laps = transform, laps

    def __call__(self, results: dict) -> dict:
        with stopwatch(self, 'transform') as laps:
            results = self.transform(results)
        self.laps += laps
        return results


def _spread_indices(length: int, number: int) -> list[int]:
    """``number`` indices spread evenly over a data set."""
    return [k * length // number for k in range(number)]


def _read_next(dataset: Any, indices: Any) -> None:
    dataset[next(indices)]


def run_metrics(args: argparse.Namespace, table: MeasurementTable) -> None:
    """J and F, A2D and saliency scores against their definitions written down plainly."""
    from mmlvs.evaluation.measuring import load_plain, measure_scores, read_clips

    if args.clips is not None:
        tracks = read_clips(args.clips, args.shape[0])
    else:
        truth = synthetic_item(shape=tuple(args.shape), texts=[], seed=args.seed)['data_samples'].gt_masks.numpy() > 0
        tracks = {f'object {k}': mask for k, mask in enumerate(truth)}
    print(f'{len(tracks)} tracks, {sum(map(len, tracks.values()))} frames')
    measure_scores(table, tracks=tracks, plain=load_plain(ROOT / 'tests' / 'plain' / 'scores.py'), seed=args.seed,
                   repeats=args.repeats, warmup=args.warmup, parts=tuple(args.parts))


def run_stream(args: argparse.Namespace, table: MeasurementTable) -> None:
    """A long video clip by clip: speed, and memory that does not grow."""
    models = build_models(args)
    clips = args.frames // args.clip_length
    if clips < args.warmup + 4:
        raise BenchmarkError(f'{args.frames} frames are {clips} clips of {args.clip_length}; at least 4 after '
                             f'{args.warmup} of warm-up are needed to see whether memory grows')
    for model in models.values():
        model.eval()
        if getattr(model, 'query_choice', None) == 'video':
            model.query_choice = 'first'  # a choice in the whole video needs the whole video at once
    texts = synthetic_texts(args.texts, args.words)
    hooks = {name: ClipStateHook() for name in models}
    memory = PeakMemory(args.device)
    seconds: dict[str, list[float]] = {name: [] for name in models}
    peaks: dict[str, list[int]] = {name: [] for name in models}
    for clip in range(clips):
        for name in reversed(models) if clip % 2 else models:
            data = pseudo_collate([synthetic_item(shape=(args.clip_length, *args.shape), texts=texts, seed=args.seed,
                                                  clip=clip, num_clips=clips)])
            hooks[name].before_test_iter(None, clip, data)
            memory.reset()
            predicted: list = []
            found = measure({name: partial(_predict, models[name], data, predicted, args)}, repeats=1, warmup=0,
                            device=args.device)
            peaks[name].append(memory.read())
            seconds[name] += found[name].seconds
            hooks[name].after_test_iter(None, clip, data, predicted)
    kept = {name: Timing(tuple(values[args.warmup:])) for name, values in seconds.items()}
    if 'baseline' in kept:
        table.timing('clip, baseline', kept['baseline'], amount=args.clip_length, unit='frames')
    table.timing('clip', kept['model'], baseline=kept.get('baseline'), amount=args.clip_length, unit='frames')
    for name, values in peaks.items():
        title = 'peak memory' + (', baseline' if name == 'baseline' else '')
        table.value(title, max(values) / MIB, describe_memory(values[args.warmup:]), unit='MiB')
    if memory.since_start:
        print('this system cannot forget the peak of a process: peaks count from its start')
    table.rows += [dict(name=f'clip {clip}', median_s=seconds['model'][clip], peak_mib=peaks['model'][clip] / MIB)
                   for clip in range(clips)]


def _predict(model: nn.Module, data: dict, predicted: list, args: argparse.Namespace) -> None:
    with torch.no_grad(), torch.autocast(torch.device(args.device).type, torch.bfloat16, enabled=args.amp):
        predicted += model(**model.data_preprocessor(data, False), mode='predict')


def run_flow(args: argparse.Namespace, table: MeasurementTable) -> None:
    """Raw video, against the network with flow images given."""
    model = build_for_measuring(load_config(args.config, args.cfg_options).model, device=args.device, seed=args.seed)
    measure_flow(table, model, synthetic_video(shape=tuple(args.shape), seed=args.seed), repeats=args.repeats,
                 warmup=args.warmup, tolerance=args.tolerance, amp=args.amp)


def describe_memory(peaks: list[int]) -> str:
    """Medians of the quarters of a video; flat when the last is at most 2 % or 8 MiB above the first."""
    step = len(peaks) // 4
    quarters = [Spread.of(peaks[k * step:(k + 1) * step if k < 3 else None]).median / MIB for k in range(4)]
    growth = quarters[3] - quarters[0]
    verdict = 'flat' if growth <= max(0.02 * quarters[0], 8.0) else f'GROWS by {growth:.0f} MiB'
    return (f'{max(peaks) / MIB:.0f} MiB; by quarters of the video: ' + ', '.join(f'{value:.0f}' for value in quarters)
            + f' MiB: {verdict}')


# ------------------------------------------------------------ the command line


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest='command', required=True, metavar='{model,texts,dataset,metrics,stream,flow}')
    every, rounds, options, runs, clip = (argparse.ArgumentParser(add_help=False) for _ in range(5))
    rounds.add_argument('--repeats', type=int, default=5, help='timed rounds (default: %(default)s)')
    every.add_argument('--warmup', type=int, default=1, help='rounds that do not count (default: %(default)s)')
    every.add_argument('--threads', type=int, help='of PyTorch and OpenCV on a CPU; default: their own choice')
    every.add_argument('--seed', type=int, default=0)
    every.add_argument('--csv', type=Path, help='also write a table to this file')
    options.add_argument('--cfg-options', nargs='+', action=DictAction, help='override settings: key=value ...')
    config = argparse.ArgumentParser(add_help=False, parents=[options])
    config.add_argument('--config', default=str(CONFIG), help='default: the released settings with Video-Swin-T')
    config.add_argument('--baseline', help='what to compare with: another config (CONFIG.py); "plain", the plain form '
                        'of the same network (tests/plain/<method>.py); or a function that makes it from our model '
                        '(FILE.py:FUNCTION)')
    runs.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    runs.add_argument('--amp', action='store_true', help='bfloat16 autocast')
    network = argparse.ArgumentParser(add_help=False, parents=[runs])
    network.add_argument('--words', type=int, default=8, help='of a sentence (default: %(default)s)')
    clip.add_argument('--shape', type=int, nargs=3, metavar=('T', 'H', 'W'), default=[5, 360, 640],
                      help='frames, height and width of a clip (default: 5 360 640)')
    clip.add_argument('--batch', type=int, default=1, help='clips at once (default: %(default)s)')

    model = commands.add_parser('model', parents=[config, network, clip, rounds, every],
                                help='forward pass and training step',
                                epilog='example: benchmark.py model --config CONFIG --baseline plain')
    model.add_argument('--texts', type=int, default=1, help='sentences of a clip (default: %(default)s)')
    model.add_argument('--modes', nargs='+', choices=MODES, default=['forward', 'train'])
    model.add_argument('--tolerance', type=float, default=1e-3,
                       help='relative difference allowed between model and plain form (default: %(default)s)')
    texts = commands.add_parser('texts', parents=[config, network, clip, rounds, every],
                                help='cost of several sentences about a clip',
                                epilog='example: benchmark.py texts --texts 1 4')
    texts.add_argument('--texts', type=int, nargs='+', default=[1, 4], help='numbers of sentences (default: 1 4)')
    dataset = commands.add_parser('dataset', parents=[config, every], help='items a second, time of each transform',
                                  epilog='example: benchmark.py dataset --config CONFIG --items 50')
    dataset.add_argument('--split', choices=['train', 'val', 'test'], default='train')
    dataset.add_argument('--items', type=int, default=50, help='timed items (default: %(default)s)')
    dataset.add_argument('--clip-length', type=int, help='frames of a clip with --baseline plain (one item for each '
                         'sentence, read frame by frame with Pillow); default: as in the config')
    metrics = commands.add_parser('metrics', parents=[rounds, every], help='scores: frames a second',
                                  epilog='example: benchmark.py metrics --shape 20 480 854')
    metrics.add_argument('--shape', type=int, nargs=3, metavar=('T', 'H', 'W'), default=[20, 480, 854],
                         help='of synthetic masks; T is also the most frames of a real clip (default: 20 480 854)')
    metrics.add_argument('--clips', type=Path, help='folder of real clips in Ref-YouTube-VOS form; default: synthetic')
    metrics.add_argument('--parts', nargs='+', choices=['jf', 'speckle', 'a2d', 'saliency'],
                         default=['jf', 'speckle', 'a2d', 'saliency'], help='default: all')
    stream = commands.add_parser('stream', parents=[config, network, every],
                                 help='a long video clip by clip, with its memory',
                                 epilog='example: benchmark.py stream --frames 400 --clip-length 8 --shape 360 640')
    stream.add_argument('--shape', type=int, nargs=2, metavar=('H', 'W'), default=[360, 640])
    stream.add_argument('--frames', type=int, default=200, help='of the video (default: %(default)s)')
    stream.add_argument('--clip-length', type=int, default=5, help='frames at once (default: %(default)s)')
    stream.add_argument('--texts', type=int, default=1, help='sentences (default: %(default)s)')
    flow = commands.add_parser('flow', parents=[options, runs, rounds, every],
                               help='what optical flow costs on raw video',
                               epilog='example: benchmark.py flow --shape 8 480 854 --threads 2')
    flow.add_argument('--config', default=str(FLOW_CONFIG), help='default: the released settings of Isomer with Swin-T')
    flow.add_argument('--shape', type=int, nargs=3, metavar=('T', 'H', 'W'), default=[8, 480, 854],
                      help='of the synthetic video (default: 8 480 854)')
    flow.add_argument('--tolerance', type=int, default=1, help='levels of 255 by which maps of given flow images and '
                      'of raw video may differ; maps are cut to whole levels, so that rounding shows as one '
                      '(default: %(default)s)')
    args = parser.parse_args(arguments)
    for name in ('shape', 'texts', 'batch', 'items', 'repeats', 'clip_length', 'frames', 'words', 'threads'):
        value = getattr(args, name, None)
        if value is not None and min(value if isinstance(value, list) else [value]) < 1:
            parser.error(f'--{name.replace("_", "-")} {value}: expected at least 1')
    return args


def conditions(args: argparse.Namespace) -> tuple[dict[str, str], dict[str, str]]:
    """Machine and settings, for the screen and the table."""
    options = {key: value for key, value in vars(args).items() if key != 'csv' and value is not None}
    settings = {key: ' '.join(map(str, value)) if isinstance(value, list) else str(value)
                for key, value in options.items()}
    return machine(getattr(args, 'device', 'cpu')) | {'opencv threads': str(cv2.getNumThreads())}, settings


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    if args.threads is not None:
        torch.set_num_threads(args.threads)
        cv2.setNumThreads(args.threads)
    found, settings = conditions(args)
    for title, values in (('machine', found), ('settings', settings)):
        print(f'{title:<10}' + ', '.join(f'{key} {value}' for key, value in values.items()), flush=True)
    table = MeasurementTable(conditions=settings | found, show=partial(print, flush=True))
    run = dict(model=run_model, texts=run_texts, dataset=run_dataset, metrics=run_metrics, stream=run_stream,
               flow=run_flow)
    try:
        run[args.command](args, table)
        if args.csv is not None:
            table.write(args.csv)
            print(f'written to {args.csv}')
    except (BenchmarkError, FileNotFoundError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
