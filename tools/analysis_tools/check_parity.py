"""Hold the toolbox against recorded parity cases.

``python tools/analysis_tools/check_parity.py [--dtype float64|float32] [--data-root DIR] CASE_DIR...``

Runs every case directory of the format (``tests/parity/parity.py``), wherever it lies.  A folder without ``case.json``
stands for all cases below it.  One line per output, ``PASS|FAIL method/case output error tolerance`` and for a failure
its reason; the last line counts outputs.  The exit status is 0 only when something ran and nothing failed.
"""
import argparse
import importlib.util
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

REPO = Path(__file__).resolve().parents[2]
ADAPTERS = REPO / 'tests' / 'parity' / 'adapters'
for folder in (REPO, REPO / 'tests' / 'parity'):  # a checkout works without being installed
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from parity import Case, UnknownCase  # noqa: E402


class Row(NamedTuple):
    """One line of the report."""

    passed: bool
    case: str
    output: str
    error: float
    tolerance: float
    reason: str = ''

    def __str__(self) -> str:
        line = f'{"PASS" if self.passed else "FAIL"} {self.case} {self.output} {self.error:.3g} {self.tolerance:g}'
        return line + (f'  ({" ".join(self.reason.split())})' if self.reason else '')


def load_adapter(method: str, folder: Path = ADAPTERS) -> Callable:
    """``run`` of the method's adapter file, loaded by its path.

    Raises:
        UnknownCase: there is no adapter for the method.
    """
    path = folder / f'{method}.py'
    if not re.fullmatch(r'[A-Za-z0-9]\w*', method) or not path.is_file():
        known = sorted(p.stem for p in folder.glob('*.py') if not p.stem.startswith('_'))
        raise UnknownCase(f'no adapter for method {method!r}; known: {", ".join(known) or "none"}')
    spec = importlib.util.spec_from_file_location(f'parity_adapter_{method}', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.run


def find_cases(paths: list) -> Iterator[Path]:
    """Case directories that the arguments name: themselves, or all below a folder that is none itself."""
    for path in map(Path, paths):
        below = [] if (path / 'case.json').exists() else sorted(p.parent for p in path.rglob('case.json'))
        yield from below or [path]


def check_case(directory, dtype: str = 'float64', data_root=None, get_adapter: Callable = load_adapter) -> list[Row]:
    """Run one case directory and compare every output; never raises on a bad case, see ``Row.reason``."""
    directory = Path(directory)
    title = '/'.join(directory.resolve().parts[-2:])
    try:
        case = Case(directory)
        title = f'{case.method}/{case.case}'
        tolerances = {name: case.tolerance_of(name, dtype) for name in case.output_names}
        if not tolerances:
            raise ValueError('case.json names no outputs')
    except Exception as error:  # a broken case directory is a finding, and the others still run
        reason = f'broken case directory {directory}: {type(error).__name__}: {error}'
        return [Row(False, title, '-', float('inf'), 0, reason)]

    def limit(name):
        how, number, differing = tolerances[name]
        return differing if how == 'equal' else number

    try:
        got = get_adapter(case.method)(case.blind(data_root), dtype)
    except Exception as error:  # an adapter's crash is a finding, and the others still run
        if not isinstance(error, UnknownCase):
            traceback.print_exc()
        reason = f'{type(error).__name__}: {error}'
        return [Row(False, title, name, float('inf'), limit(name), reason) for name in tolerances]
    finally:
        if 'torch' in sys.modules:  # a crash must not leave its default type to the next case
            sys.modules['torch'].set_default_dtype(sys.modules['torch'].float32)

    rows = []
    for name in tolerances:
        if name not in got:
            reason = f'output missing; the adapter gave: {", ".join(sorted(map(str, got))) or "none"}'
            rows.append(Row(False, title, name, float('inf'), limit(name), reason))
            continue
        try:
            rows.append(Row(*_ordered(title, name, case.compare_output(name, got[name], dtype))))
        except Exception as error:  # a value that cannot be compared is a finding
            rows.append(Row(False, title, name, float('inf'), limit(name),
                            f'cannot be compared: {type(error).__name__}: {error}'))
    return rows


def _ordered(title, name, result):
    return result.passed, title, name, result.error, result.tolerance, result.reason


def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description='Hold the toolbox against recorded parity cases.')
    parser.add_argument('cases', nargs='+', metavar='CASE_DIR', help='case folder, or a folder of cases')
    parser.add_argument('--dtype', choices=('float64', 'float32'), default='float64', help='type to compute in')
    parser.add_argument('--data-root', help='folder below which cases name files of data sets '
                        '(default: beside the folder of all cases)')
    args = parser.parse_args(argv)
    passed = failed = 0
    for directory in find_cases(args.cases):
        for row in check_case(directory, args.dtype, args.data_root):
            print(row, flush=True)
            passed, failed = passed + row.passed, failed + (not row.passed)
    print(f'{passed} passed, {failed} failed')
    return int(failed > 0 or passed == 0)


if __name__ == '__main__':
    sys.exit(main())
