"""Imports go one way, and importing the house is cheap."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / 'mmlvs'
# a room may import itself and the rooms named here
ALLOWED = {
    'registry': set(), 'structures': {'registry', 'utils'}, 'utils': {'registry'},
    'io': {'registry', 'structures', 'utils'},
    'datasets': {'registry', 'structures', 'io', 'utils'}, 'evaluation': {'registry', 'structures', 'io', 'utils'},
    'models': {'registry', 'structures', 'io', 'utils'}, 'visualization': {'registry', 'structures', 'io', 'utils'},
    'engine': {'registry', 'structures', 'io', 'utils', 'datasets', 'evaluation', 'models', 'visualization'},
    'apis': {'registry', 'structures', 'io', 'utils', 'datasets', 'evaluation', 'models', 'engine', 'visualization'},
}
HEAVY = ('transformers', 'mmdet', 'mmseg', 'mmcv.ops', 'timm', 'torchvision', 'matplotlib')


def imported(path: Path, everywhere: bool) -> set[str]:
    tree = ast.parse(path.read_text())
    nodes = ast.walk(tree) if everywhere else tree.body
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f'{path}: relative import'
            names |= {f'{node.module}.{alias.name}' for alias in node.names}
    return names


@pytest.mark.parametrize('path', sorted(ROOT.rglob('*.py')), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_one_way(path):
    parts = path.relative_to(ROOT).with_suffix('').parts
    room = parts[0]
    if room == '__init__':
        return
    for name in imported(path, everywhere=True):
        if name.startswith('mmlvs.'):
            other = name.split('.')[1]
            assert other in ALLOWED.get(room, set()) | {room, '__version__'}, f'{path} ({room}) imports {name}'


@pytest.mark.parametrize('path', sorted(ROOT.rglob('*.py')), ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_heavy_at_module_level(path):
    heavy = [name for name in imported(path, everywhere=False) if name.startswith(HEAVY)]
    assert not heavy, f'{path} imports {heavy} at module level'


def test_importing_the_registry_is_cheap():
    code = ('import sys, mmlvs, mmlvs.registry; '
            f'bad = [m for m in {HEAVY + ("cv2", "torch")!r} if m in sys.modules and m not in BEFORE]; '
            'assert not bad, bad')
    before = 'import sys, mmengine.registry; BEFORE = set(sys.modules); '
    subprocess.run([sys.executable, '-c', before + code], check=True, cwd=ROOT.parent)
