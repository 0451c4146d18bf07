"""The installed package carries what the checkout has."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

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


def test_model_index_names_what_exists():
    for metafile in yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']:
        content = yaml.safe_load((ROOT / metafile).read_text())
        collections = {collection['Name'] for collection in content['Collections']}
        assert content['Models']
        for model in content['Models']:
            assert (ROOT / model['Config']).is_file(), model['Config']
            assert model['In Collection'] in collections
        for collection in content['Collections']:
            assert (ROOT / collection['README']).is_file()


def test_links_of_the_pages_lead_somewhere():
    pages = [*ROOT.glob('*.md'), *ROOT.glob('docs/en/*.md'), *ROOT.glob('configs/*/README.md')]
    assert len(pages) >= 5
    for page in pages:
        for link in re.findall(r'\]\(([^)#]+)\)', page.read_text()):
            if '://' not in link:
                assert (page.parent / link).exists(), f'{page.name}: {link}'
