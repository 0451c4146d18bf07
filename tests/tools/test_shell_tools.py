import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted([*ROOT.glob('tools/*.sh'), ROOT / '.ci' / 'run'])


def shell(code, **environment):
    """Source tools/_venv.sh and run ``code`` in bash."""
    plain = {key: value for key, value in os.environ.items() if key not in ('MMLVS_VENV', 'PYTHON', 'VIRTUAL_ENV')}
    return subprocess.run(['bash', '-c', f'set -euo pipefail; . {ROOT}/tools/_venv.sh; {code}'], text=True,
                          capture_output=True, env={**plain, **environment}, timeout=60)


@pytest.mark.parametrize('script', SCRIPTS, ids=lambda path: path.name)
def test_scripts_parse(script):
    subprocess.run(['bash', '-n', script], check=True)
    assert script.name == '_venv.sh' or os.access(script, os.X_OK), f'{script} is not executable'


def fake_python(folder, version, venv=True):
    """A stand-in for a Python that answers what tools/_venv.sh asks."""
    path = folder / 'python-fake'
    path.write_text(f"""#!/bin/sh
case "$*" in
  *version_info*) exit {0 if version >= (3, 10) else 1};;
  *ensurepip*) exit {0 if venv else 1};;
  --version) echo "Python {version[0]}.{version[1]}.0";;
esac
""")
    path.chmod(0o755)
    return str(path)


def test_finds_this_python():
    found = shell('mmlvs_find_python; echo $MMLVS_BASE', PYTHON=sys.executable)
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip() == sys.executable


@pytest.mark.parametrize(('version', 'venv', 'message'), [
    ((3, 9), True, 'no Python >= 3.10 found, only'), ((3, 11), False, "has no 'venv' module"),
])
def test_unfit_python_is_explained(tmp_path, version, venv, message):
    found = shell('mmlvs_find_python', PYTHON=fake_python(tmp_path, version, venv))
    assert found.returncode == 1 and message in found.stderr and 'apt-get install' in found.stderr


def test_no_python_is_explained():
    found = shell('mmlvs_find_python', PYTHON='no-such-python')
    assert found.returncode == 1 and 'no Python >= 3.10 found.' in found.stderr


def test_foreign_environment_is_left_alone(tmp_path):
    (tmp_path / 'bin').mkdir()
    (tmp_path / 'bin' / 'python').write_text('#!/bin/sh\necho "missing: torch"; exit 1\n')
    (tmp_path / 'bin' / 'python').chmod(0o755)
    before = sorted(tmp_path.rglob('*'))
    found = shell('mmlvs_venv runtime', MMLVS_VENV=str(tmp_path))
    assert found.returncode == 1
    assert 'missing: torch' in found.stderr and '-m pip install -r requirements/runtime.txt' in found.stderr
    assert sorted(tmp_path.rglob('*')) == before


def test_stamp_follows_requirements_and_kind(tmp_path):
    code = 'MMLVS_ROOT=$COPY; mmlvs_stamp "$PYTHON" runtime; mmlvs_stamp "$PYTHON" tests'
    (tmp_path / 'requirements').mkdir()
    for name in ('runtime.txt', 'tests.txt'):
        (tmp_path / 'requirements' / name).write_text(name)

    def stamps():
        found = shell(code, PYTHON=sys.executable, COPY=str(tmp_path))
        assert found.returncode == 0, found.stderr
        return found.stdout.split()

    runtime, tests = stamps()
    assert runtime != tests and stamps() == [runtime, tests]
    (tmp_path / 'requirements' / 'tests.txt').write_text('another')
    changed = stamps()
    assert changed[0] == runtime and changed[1] != tests
    pins = 'constraints-py{}{}.txt'.format(*sys.version_info[:2])
    (tmp_path / 'requirements' / pins).write_text('numpy==1')
    assert stamps()[0] != runtime


def test_pins_satisfy_the_ranges():
    from packaging.requirements import Requirement
    for file in sorted((ROOT / 'requirements').glob('constraints-py3*.txt')):
        lines = [line.split('#')[0].strip() for line in file.read_text().splitlines()]
        pins = dict(line.lower().replace('_', '-').split('==') for line in lines if line)
        for kind in ('runtime', 'tests'):
            for line in (ROOT / 'requirements' / f'{kind}.txt').read_text().splitlines():
                if line.split('#')[0].strip():
                    wanted = Requirement(line.split('#')[0])
                    assert wanted.specifier.contains(pins[wanted.name.lower()]), f'{file.name}: {wanted}'


@pytest.mark.parametrize(('script', 'usage'), [
    ('dist_train.sh', 'CONFIG GPUS'), ('dist_test.sh', 'CONFIG CHECKPOINT GPUS')])
def test_launchers_tell_their_usage(script, usage):
    found = subprocess.run(['bash', ROOT / 'tools' / script, 'only-a-config.py'], capture_output=True, text=True)
    assert found.returncode == 1 and f'usage: bash tools/{script} {usage}' in found.stderr


def test_launcher_passes_everything_on(tmp_path):
    path = tmp_path / 'python'
    path.write_text('#!/bin/sh\necho "$*"\n')
    path.chmod(0o755)
    environment = {**os.environ, 'PYTHON': str(path), 'PORT': '12345'}
    found = subprocess.run(['bash', ROOT / 'tools' / 'dist_test.sh', 'c.py', 'w.pth', '3', '--out', 'a b.json'],
                           capture_output=True, text=True, env=environment)
    assert found.returncode == 0, found.stderr
    assert '-m torch.distributed.run' in found.stdout and '--nproc_per_node=3' in found.stdout
    assert '--master_port=12345' in found.stdout
    assert found.stdout.strip().endswith('tools/test.py c.py w.pth --launcher pytorch --out a b.json')
