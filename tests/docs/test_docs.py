"""Pages of the documentation: they begin with a command, and what they point to exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDES = sorted((ROOT / 'docs/en').glob('*.md'))
PAGES = [*ROOT.glob('*.md'), *(ROOT / 'docs').rglob('*.md'), *(ROOT / 'configs').rglob('*.md'),
         *(ROOT / 'projects').rglob('*.md')]
CODE = re.compile(r'```bash\n(.*?)```', re.DOTALL)


@pytest.mark.parametrize('path', GUIDES, ids=lambda p: p.name)
def test_begins_with_a_command(path):
    text = path.read_text()
    first = CODE.search(text)
    assert first and text[:first.start()].count('\n') < 6, 'a page begins with a command that works'


@pytest.mark.parametrize('path', PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_and_files_exist(path):
    text = path.read_text()
    for target in re.findall(r'\]\((?!https?:|#)([^)#]+)', text):
        assert (path.parent / target).exists(), f'{path.name} links to {target}'
    for command in CODE.findall(text):
        for name in re.findall(r'(?<![\w/.-])((?:tools|configs|projects|tests|requirements|\.ci)/[\w./-]+)', command):
            if not re.search(r'CONFIG|CHECKPOINT|my_', name):
                assert (ROOT / name).exists(), f'{path.name} names {name}'
        for module in re.findall(r'-m (mmlvs[\w.]*)', command):
            assert (ROOT / (module.replace('.', '/') + '.py')).exists(), f'{path.name} runs {module}'
