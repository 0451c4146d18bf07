"""What is wrong with a folder of results before anything is scored: the whole list, not the first item."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from mmlvs.evaluation.folders.truth import Truth, Unit, image_header

SUFFIX = '.png'


def find_problems(prediction: str | Path, units: Sequence[Unit], truth: Truth, *, only: bool = False) -> list[str]:
    """Everything that keeps a folder of results from being scored: nesting, names, missing frames, sizes, kinds.

    Args:
        prediction: root of the results.
        units: folders that are expected.
        truth: gives the sizes.
        only: folders that are not expected do not matter.

    Returns:
        One line a problem, files of a folder together; empty when all is well.
    """
    root = Path(prediction)
    if not root.is_dir():
        return [f'{root}: no such folder']
    found: dict[str, set[str]] = defaultdict(set)
    foreign = []
    for path in sorted(root.rglob('*')):
        if not path.is_file() or any(part.startswith('.') for part in path.relative_to(root).parts):
            continue
        folder = path.parent.relative_to(root).as_posix()
        if path.suffix == SUFFIX:
            found[folder].add(path.stem)
        else:
            foreign.append(path.relative_to(root).as_posix())
    expected = {unit.folder: set(unit.frames) for unit in units}
    hint = _nesting(set(found), set(expected))
    if hint:
        return [f'{root}: {hint}']
    problems = []
    for folder, frames in expected.items():
        there = found.get(folder, set())
        if not there:
            problems.append(f'{folder}: missing ({len(frames)} frames)')
            continue
        for kind, names in (('missing', frames - there), ('unexpected', there - frames)):
            if names:
                problems.append(f'{folder}: {len(names)} {kind} frames: {", ".join(sorted(names))}')
    if not only:
        problems += [f'{folder}: unexpected folder with {len(names)} frames' for folder, names in sorted(found.items())
                     if folder not in expected]
        problems += [f'{name}: unexpected file, results are {SUFFIX} files' for name in foreign]
    for unit in units:
        problems += _images(root, unit, truth, found.get(unit.folder, set()))
    return problems


def _nesting(found: set[str], expected: set[str]) -> str:
    """What to do when no folder is where it should be but all are one level off."""
    if found & expected or not found:
        return '' if found else f'holds no {SUFFIX} file'
    shown = sorted(expected)[0]
    for top in {folder.partition('/')[0] for folder in found}:
        if {folder.partition('/')[2] for folder in found if folder.startswith(f'{top}/')} & expected:
            return f'folders are nested below {top}/, expected {shown}/ at the top; score the folder {top} instead'
    if found & {folder.partition('/')[2] for folder in expected}:
        return f'folders lack a level: expected {shown}/<frame>{SUFFIX}'
    return (f'none of the expected folders is there: expected e.g. {shown}/<frame>{SUFFIX}, found e.g. '
            f'{sorted(found)[0]}/')


def _images(root: Path, unit: Unit, truth: Truth, there: set[str]) -> list[str]:
    """Frames of one folder whose size or kind is not the expected one, or that cannot be read."""
    c = truth.convention
    levels = c.pixels == 'levels' or c.prediction_above > 0
    wrong: dict[str, list[str]] = defaultdict(list)
    for frame in unit.frames:
        if frame not in there:
            continue
        try:
            size, mode = image_header(root / unit.folder / f'{frame}{SUFFIX}')
            wanted = None if c.resize else truth.size(unit, frame)
        except ValueError as error:
            wrong[str(error)].append(frame)
            continue
        if wanted is not None and size != wanted:
            wrong[f'size {size[0]} x {size[1]} (H x W), expected {wanted[0]} x {wanted[1]}'].append(frame)
        if levels and mode != 'L':
            wrong[f'mode {mode}, expected grey levels 0..255'].append(frame)
        elif c.pixels == 'index' and mode not in ('P', 'L', '1'):
            wrong[f'mode {mode}, expected an index PNG (P, or L with object numbers)'].append(frame)
    return [f'{unit.folder}: {reason}: {", ".join(frames)}' for reason, frames in wrong.items()]
