"""The installed package carries what the checkout has."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_licence_is_apache():
    text = (ROOT / 'LICENSE').read_text()
    assert text.split('\n')[1].strip() == 'Apache License' and text.rstrip().endswith('limitations under the License.')


@pytest.mark.slow
def test_wheel_carries_configs_and_tools(tmp_path):
    source = tmp_path / 'source'  # building writes beside setup.py
    source.mkdir()
    for name in ('setup.py', 'pyproject.toml', 'README.md', 'LICENSE', 'MANIFEST.in', 'model-index.yml'):
        shutil.copy(ROOT / name, source)
    for name in ('mmlvs', 'configs', 'tools', 'requirements', 'tests/tools'):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns('__pycache__', '.mim'))
    command = [sys.executable, '-m', 'pip', 'wheel', '--no-deps', '--no-build-isolation', '--wheel-dir', tmp_path]
    subprocess.run([*command, source], check=True, capture_output=True)
    wheel, = tmp_path.glob('mmlvs-*.whl')
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = [path for folder in ('configs', 'tools') for path in (ROOT / folder).rglob('*')
               if path.suffix in ('.py', '.sh')]
    modules = [path for path in (ROOT / 'mmlvs').rglob('*.py') if '.mim' not in path.parts]
    assert len(shipped) > 10 and len(modules) > 50
    assert not {f'mmlvs/.mim/{path.relative_to(ROOT).as_posix()}' for path in shipped} - names
    assert not {path.relative_to(ROOT).as_posix() for path in modules} - names
    assert not [name for name in names if name.startswith('tests')]
