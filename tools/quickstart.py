"""From nothing to a video segmented by a sentence: make data, train a small model, test it, look at it.

    bash tools/quickstart.sh                # sets up the environment, then runs this file
    bash tools/quickstart.sh --method lavt  # the same with another method
    python tools/quickstart.py --short      # a few iterations only: does everything run?

Every part is one of the ordinary tools, started with the settings that are written to <workdir>/config.py.
"""

import argparse
import csv
import hashlib
import json
import math
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
METHODS = {
    'referformer': 'configs/referformer/referformer_tiny_1xb8-640i_moving-shapes-easy.py',
    'lavt': 'configs/lavt/lavt_tiny_1xb8-640i_moving-shapes-easy.py',
}
BASELINES = {'largest': 'largest object', 'random': 'random object', 'all': 'all objects'}
RESULTS = ('train', 'train.log', 'test', 'test.log', 'predictions', 'tables', 'scores.json', 'overlay.mp4',
           'contact_sheet.png')
SHOWN_VIDEOS = 4
LOG_LINE = re.compile(r'(Iter|Epoch)\(train\)\s+(?:\[\d+\])?\[\s*(\d+)/(\d+)\].*?eta: (\S+).*?\sloss: ([\d.naif]+)')


class QuickstartError(RuntimeError):
    """A part failed; the message says which, and what to do."""


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--short', action='store_true', help='little data and few iterations: a check, not a result')
    parser.add_argument('--workdir', type=Path, default=ROOT / 'work_dirs' / 'quickstart', help='folder of all results')
    parser.add_argument('--seed', type=int, default=0, help='of the data and of the training')
    parser.add_argument('--method', choices=METHODS, default='referformer', help='what to train (%(default)s)')
    parser.add_argument('--config', type=Path, help='config of a model and its training, in place of --method')
    args = parser.parse_args(arguments)
    args.config = (args.config or ROOT / METHODS[args.method]).resolve()
    return args


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    work = args.workdir.resolve()
    try:
        check_place(work)
        method = method_name(args.config)
        times: dict[str, float] = {}
        data = timed(times, 'make data', make_data, work, short=args.short, seed=args.seed)
        config = write_config(work, base=args.config, data=data, short=args.short, seed=args.seed)
        checkpoint = timed(times, 'train', train, work, config, method)
        scores = timed(times, 'test', test, work, config, checkpoint)
        pictures = timed(times, 'draw', draw, work, data)
    except QuickstartError as error:
        print(f'\nerror: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\ninterrupted. Run the same command again: training goes on from its last checkpoint, if it has one.',
              file=sys.stderr)
        return 130
    report(method, scores, times, pictures, short=args.short)
    return 0


def check_place(work: Path) -> None:
    """See that results can be written."""
    try:
        work.mkdir(parents=True, exist_ok=True)
        (work / '.writable').touch()
        (work / '.writable').unlink()
    except OSError as error:
        raise QuickstartError(f'cannot write to {work} ({error}); choose a folder: --workdir DIR') from error
    free = shutil.disk_usage(work).free / 2**20
    if free < 500:
        raise QuickstartError(f'{free:.0f} MiB are free at {work}, 500 are needed; free some, or choose --workdir DIR')


def read_config(path: Path) -> dict:
    """All settings of a config, with those that it inherits."""
    from mmengine.config import Config
    if not path.is_file():
        raise QuickstartError(f'no config at {path}; name one: --config FILE')
    return Config.fromfile(path, import_custom_modules=False).to_dict()


def method_name(config: Path) -> str:
    """The type of a config's model, which is the name of its method."""
    model = read_config(config).get('model') or {}
    if 'type' not in model:
        raise QuickstartError(f'{config} has no model.type; name the config of a model and its training: --config FILE')
    return str(model['type']).rpartition('.')[2]  # without a scope: mmlvs.LAVT


def make_data(work: Path, *, short: bool, seed: int) -> Path:
    """Make the easy level of moving shapes; a complete folder is kept."""
    videos = dict(train=24, valid=4, test=4) if short else dict(train=700, valid=4, test=40)
    data = work / f'moving-shapes-easy-{"-".join(str(number) for number in videos.values())}-seed{seed}'
    run('making moving shapes', work / 'make_data.log', [
        'tools/dataset_converters/make_moving_shapes.py', '--out', data, '--level', 'easy', '--seed', seed,
        '--workers', 2, '--videos', *(f'{split}={number}' for split, number in videos.items())])
    return data


def write_config(work: Path, *, base: Path, data: Path, short: bool, seed: int) -> Path:
    """Write the config of this run, which inherits ``base`` and says where data and results lie.

    Where it differs from that of the run before, in ``base`` too, the results of that run are removed.

    Raises:
        QuickstartError: results lie in ``work`` that another program may have made.
    """
    settings = read_config(base)
    splits = dict(train='train', val='valid', test='test')
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()
    lines = [
        f'# Written by tools/quickstart.py. Settings that are inherited: {digest}',
        f'_base_ = [{str(base)!r}]',
        *(f'{part}_dataloader = dict(dataset=dict(data_root={str(data)!r}, split={split!r}))'
          for part, split in splits.items()),
        f'randomness = dict(seed={seed})',
        'test_evaluator = [',
        "    dict(type='JFMetric', " + f'baselines={tuple(BASELINES)}, output_dir={str(work / "tables")!r}),',
        f"    dict(type='RefYouTubeVOSWriter', out_dir={str(work / 'predictions')!r}, archive=None),",
        ']',
    ]
    if short:
        length = 'max_iters' if 'max_iters' in settings['train_cfg'] else 'max_epochs'
        lines += [f'train_cfg = dict({length}={10 if length == "max_iters" else 1})',
                  'default_hooks = dict(logger=dict(interval=1))']
    path = work / 'config.py'
    text = '\n'.join(lines) + '\n'
    if not path.is_file() or path.read_text() != text:
        remove_results(work)
        path.write_text(text)
    return path


def remove_results(work: Path) -> None:
    """Remove what a run with other settings left: none of its checkpoints, scores or pictures may pass for new ones."""
    found = [work / name for name in RESULTS if (work / name).exists()]
    if not found:
        return
    config = work / 'config.py'
    if not config.is_file() or str(work / 'predictions') not in config.read_text():
        raise QuickstartError(f'{found[0]} is not of a quickstart in this folder and would be replaced; choose another '
                              'folder: --workdir DIR')
    print(f'==> removing the results of other settings from {work}', flush=True)
    for path in found:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def train(work: Path, config: Path, method: str) -> Path:
    """Train, going on with a run that was interrupted; returns the last checkpoint."""
    folder, done = work / 'train', work / 'train' / 'complete'
    if done.exists():  # a finished run: train again, in front of the reader
        shutil.rmtree(folder)
    arguments = ['tools/train.py', config, '--work-dir', folder]
    if any(folder.glob('*.pth')):
        print('    going on with the training that was interrupted')
        arguments.append('--resume')
    run(f'training {method} from random weights', work / 'train.log', arguments)
    found = sorted(folder.glob('*.pth'), key=lambda path: [int(part) for part in re.findall(r'\d+', path.stem)])
    found = [path for path in found if path.stem.startswith(('iter_', 'epoch_'))]
    if not found:
        raise QuickstartError(f'training left no checkpoint in {folder}; its log: {work / "train.log"}')
    done.touch()
    return found[-1]


def test(work: Path, config: Path, checkpoint: Path) -> dict[str, float]:
    """Test on videos that training has not seen; returns the scores."""
    shutil.rmtree(work / 'predictions', ignore_errors=True)
    run('testing on held-out videos', work / 'test.log', [
        'tools/test.py', config, checkpoint, '--work-dir', work / 'test', '--out', work / 'scores.json'])
    scores = json.loads((work / 'scores.json').read_text())
    bad = [name for name, value in scores.items() if not math.isfinite(value)]
    if bad:
        raise QuickstartError(f'scores {bad} in {work / "scores.json"} are no numbers; see {work / "test.log"}')
    return scores


def draw(work: Path, data: Path) -> dict[str, Path]:
    """Draw an overlay video and a contact sheet of the first held-out videos, chosen before any score is known."""
    import numpy as np

    from mmlvs.io import write_video
    from mmlvs.visualization import SheetRow, overlay_video, write_contact_sheet

    with open(work / 'tables' / 'per_expression.csv', newline='', encoding='utf-8') as file:
        scores = {(row['video'], row['expression']): float(row['J&F']) for row in csv.DictReader(file)}
    rows, pictures = [], []
    for video, (frames, expressions) in held_out(work, data):
        pictures += overlay_video(
            frames, np.stack([mask for _, _, mask, _ in expressions]), texts=[text for _, text, _, _ in expressions],
            scale=max(1, 384 // frames.shape[1]), beside=True)
        rows += [SheetRow(text=text, frames=frames, prediction=mask, target=target,
                          note=f'video {video}, J&F {scores[video, key]:.1f}')
                 for key, text, mask, target in expressions[:2]]
    height = max(picture.shape[0] for picture in pictures)  # captions differ in height
    even = (np.pad(picture, ((0, height - len(picture)), (0, 0), (0, 0))) for picture in pictures)
    return {
        'overlay video': write_video(work / 'overlay.mp4', even, fps=5),
        'contact sheet': write_contact_sheet(work / 'contact_sheet.png', rows,
                                             title='Held-out videos: truth above, prediction below'),
        'tables': work / 'tables',
        'log and checkpoints': work / 'train',
    }


def held_out(work: Path, data: Path) -> Iterator[tuple]:
    """The first videos of the test split: name, (frames, [(expression id, text, prediction, truth), ...])."""
    import numpy as np

    from mmlvs.io import read_frames, read_index_png

    videos = json.loads((data / 'meta_expressions' / 'test' / 'meta_expressions.json').read_text())['videos']
    for video in sorted(videos)[:SHOWN_VIDEOS]:
        names = sorted(videos[video]['frames'])
        frames = np.concatenate([read_frames(data / 'test' / 'JPEGImages' / video / f'{name}.jpg') for name in names])
        index = np.stack([read_index_png(data / 'test' / 'Annotations' / video / f'{name}.png') for name in names])
        expressions = []
        for key, expression in videos[video]['expressions'].items():
            folder = work / 'predictions' / 'Annotations' / video / key
            prediction = np.stack([read_index_png(folder / f'{name}.png') for name in names]) > 0
            expressions.append((key, expression['exp'], prediction, index == int(expression['obj_id'])))
        yield video, (frames, expressions)


def report(method: str, scores: dict[str, float], times: dict[str, float], pictures: dict[str, Path], *,
           short: bool) -> None:
    """Print scores, times and where to look."""
    print(f'\n{"held-out videos":<22}{"J":>8}{"F":>8}{"J&F":>8}')
    rows = {'': method, **{f'baseline_{source}/': name for source, name in BASELINES.items()}}
    for prefix, name in rows.items():
        print(f'  {name:<20}' + ''.join(f'{scores[prefix + column]:8.1f}' for column in ('J', 'F', 'J&F')))
    best = max(scores[f'baseline_{source}/J&F'] for source in BASELINES)
    print('The last three know every true mask but ignore the sentence.')
    if short:
        print('This was the short form, a check that everything runs: its scores mean nothing.')
    else:
        print(f'{method} is {scores["J&F"] - best:+.1f} points of J&F from the best of them.')
    print('\ntime')
    for name, seconds in {**times, 'in all': sum(times.values())}.items():
        print(f'  {name:<20}{seconds:8.0f} s')
    print('\nlook at')
    for name, path in pictures.items():
        print(f'  {name:<20}  {path}')


def timed(times: dict[str, float], name: str, part, *arguments, **settings):
    """Call a part and note how long it took."""
    start = time.perf_counter()
    result = part(*arguments, **settings)
    times[name] = time.perf_counter() - start
    return result


def run(title: str, log: Path, command: list) -> None:
    """Run one of the tools, show its progress, keep its whole output in ``log``.

    Raises:
        QuickstartError: it failed; the message carries the end of its output.
    """
    print(f'==> {title}', flush=True)
    with open(log, 'w', encoding='utf-8') as file:
        process = subprocess.Popen(
            [sys.executable, '-u', *map(str, command)], cwd=ROOT, text=True, errors='replace', stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        try:
            for line in process.stdout:
                file.write(line)
                shown = progress(line)
                if shown:
                    print(f'    {shown}', flush=True)
            code = process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if code != 0:
        last = ''.join(log.read_text(encoding='utf-8').splitlines(keepends=True)[-25:])
        raise QuickstartError(f'{title} failed with code {code}. The last lines of {log}:\n\n{last}')


def progress(line: str) -> str:
    """What a line of a training log tells a reader; empty when nothing."""
    found = LOG_LINE.search(line)
    if found:
        _, step, total, eta, loss = found.groups()
        return f'iteration {step} of {total}, loss {loss}, {eta} left'
    return ''


if __name__ == '__main__':
    sys.exit(main())
