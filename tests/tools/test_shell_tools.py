import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted([*ROOT.glob('tools/*.sh'), ROOT / '.ci' / 'run'])


def shell(code, **environment):
    """Source tools/_venv.sh and run ``code`` in bash."""
    plain = {key: value for key, value in os.environ.items()
             if key not in ('PYTHON', 'VIRTUAL_ENV', 'FORCE_CUDA', 'CXX') and not key.startswith('MMLVS_')}
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
    code = 'MMLVS_ROOT=$COPY; for kind in runtime tests full; do mmlvs_stamp "$PYTHON" $kind; done'
    (tmp_path / 'requirements').mkdir()
    for name in ('runtime', 'tests', 'full', 'full-build'):
        (tmp_path / 'requirements' / f'{name}.txt').write_text(name)

    def stamps(**environment):
        found = shell(code, PYTHON=sys.executable, COPY=str(tmp_path), **environment)
        assert found.returncode == 0, found.stderr
        return found.stdout.split()

    def changed_by(name):
        before = stamps()
        (tmp_path / 'requirements' / name).write_text(f'another {name}')
        return [a != b for a, b in zip(before, stamps(), strict=True)]

    assert len(set(stamps())) == 3 and stamps() == stamps()
    assert changed_by('full-build.txt') == [False, False, True]
    assert changed_by('full.txt') == [False, False, True]
    assert changed_by('tests.txt') == [False, True, True]
    version = 'py{}{}.txt'.format(*sys.version_info[:2])
    assert changed_by(f'constraints-{version}') == [True, True, False]
    assert changed_by(f'constraints-full-{version}') == [False, False, True]
    pinned = stamps()
    assert not set(pinned) & set(stamps(MMLVS_PINS='0'))
    (tmp_path / 'pins.txt').write_text('numpy==1.26.0')
    assert not set(pinned) & set(stamps(MMLVS_PINS=str(tmp_path / 'pins.txt')))


def test_unknown_pins_are_explained():
    found = shell('mmlvs_constraints "$PYTHON" tests', PYTHON=sys.executable, MMLVS_PINS='no-such.txt')
    assert found.returncode == 1 and 'MMLVS_PINS names no file: no-such.txt' in found.stderr


def read_pins(file):
    lines = [line.split('#')[0].strip() for line in file.read_text().splitlines()]
    return dict(line.lower().replace('_', '-').split('==') for line in lines if line)


@pytest.mark.parametrize('file', sorted((ROOT / 'requirements').glob('constraints-*.txt')), ids=lambda path: path.stem)
def test_pins_satisfy_the_ranges(file):
    from packaging.requirements import Requirement
    pins, kinds = read_pins(file), ['runtime', 'tests']
    kinds += ['full', 'full-build'] if file.name.startswith('constraints-full-') else []
    for kind in kinds:
        for line in (ROOT / 'requirements' / f'{kind}.txt').read_text().splitlines():
            if line.split('#')[0].strip():
                wanted = Requirement(line.split('#')[0])
                assert wanted.specifier.contains(pins[wanted.name.lower()]), wanted


def test_oldest_pins_are_the_lower_ends_of_the_ranges():
    from packaging.requirements import Requirement
    from packaging.version import Version
    pins = read_pins(ROOT / 'requirements' / 'constraints-oldest.txt')
    for line in (ROOT / 'requirements' / 'runtime.txt').read_text().splitlines():
        if line.split('#')[0].strip():
            wanted = Requirement(line.split('#')[0])
            lowest, = (Version(part.version) for part in wanted.specifier if part.operator == '>=')
            found = Version(pins[wanted.name.lower()])
            assert found.release[:len(lowest.release)] == lowest.release, f'{wanted}, but {found} is tested'


# ------------------------------------------------------------ the full stack


@pytest.fixture
def workshop(tmp_path):
    """An environment whose Python is this one with a made-up torch, and whose pip makes the wheel that $MAKES names."""
    (tmp_path / 'env' / 'bin').mkdir(parents=True)
    (tmp_path / 'site').mkdir()
    (tmp_path / 'site' / 'torch.py').write_text(
        'import os\n__version__ = os.environ["TORCH"]\n'
        'class cuda:\n    is_available = staticmethod(lambda: False)\n')
    python = tmp_path / 'env' / 'bin' / 'python'
    python.write_text(f"""#!/bin/bash
if [ "$1 $2" = "-m pip" ]; then
  echo "$MMCV_WITH_OPS $*" >>{tmp_path}/pip.txt
  [ -n "$MAKES" ] || {{ echo "no memory"; exit 1; }}
  while [ "$1" != --wheel-dir ]; do shift; done
  echo "$CONTENT" >"$2/_ext.so" && cd "$2"
  exec {sys.executable} -c 'import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as wheel: wheel.write("_ext.so", sys.argv[2])' "$MAKES" "$INSIDE"
fi
PYTHONPATH={tmp_path}/site exec {sys.executable} "$@"
""")
    python.chmod(0o755)

    def run(code='mmlvs_mmcv_wheel $ENV; echo $MMLVS_WHEEL', makes='onedl_mmcv-2.3.6-cp311-cp311-linux_x86_64.whl',
            inside='mmcv/_ext.cpython.so', **environment):
        calls = tmp_path / 'pip.txt'
        calls.write_text('')
        settings = dict(ENV=str(tmp_path / 'env'), MMLVS_CACHE=str(tmp_path / 'cache'), TORCH='2.12.1', MAKES=makes,
                        INSIDE=inside, CONTENT='x' * 100)
        done = shell(f'MMLVS_PY=$ENV/bin/python; {code}', **{**settings, **environment})
        return done, calls.read_text().splitlines()
    return run


def test_mmcv_is_compiled_once_for_each_torch(workshop):
    done, calls = workshop()
    assert done.returncode == 0, done.stderr
    assert len(calls) == 1 and calls[0].startswith('1 -m pip wheel')
    assert all(option in calls[0] for option in ('--no-cache-dir', '--no-build-isolation', '--no-deps'))
    wheel = Path(done.stdout.strip())
    assert wheel.is_file() and [path.name for path in wheel.parent.iterdir()] == [wheel.name]
    again, calls = workshop()
    assert again.stdout == done.stdout and not calls
    other, calls = workshop(TORCH='2.13.0')
    assert other.stdout != done.stdout and len(calls) == 1


def test_broken_wheel_is_compiled_anew(workshop):
    done, _ = workshop()
    wheel = Path(done.stdout.strip())
    wheel.write_bytes(wheel.read_bytes()[:60])
    done, calls = workshop()
    assert done.returncode == 0 and len(calls) == 1 and 'is broken and is compiled anew' in done.stderr
    assert workshop()[1] == []


@pytest.mark.parametrize('wrong', [
    dict(makes='onedl_mmcv-2.3.6-py3-none-any.whl'), dict(inside='mmcv/ops.py')])
def test_wheel_without_operators_is_refused(workshop, wrong):
    done, calls = workshop(**wrong)
    assert done.returncode == 1 and 'without compiled operators' in done.stderr and len(calls) == 1
    assert len(workshop()[1]) == 1  # and nothing of it is kept


def test_failing_compiler_is_explained(workshop, tmp_path):
    done, _ = workshop(makes='')
    assert done.returncode == 1 and 'could not be compiled' in done.stderr and 'no memory' in done.stderr
    assert 'MAX_JOBS=1' in done.stderr and not [path for path in (tmp_path / 'cache').glob('*/*')]
    done, calls = workshop(CXX='no-such-compiler')
    assert done.returncode == 1 and 'needs a C++ compiler' in done.stderr and not calls


def test_foreign_full_environment_is_left_alone(tmp_path):
    (tmp_path / 'bin').mkdir()
    (tmp_path / 'bin' / 'python').write_text('#!/bin/sh\necho "missing: mmdet"; exit 1\n')
    (tmp_path / 'bin' / 'python').chmod(0o755)
    found = shell('mmlvs_venv full', MMLVS_VENV_FULL=str(tmp_path))
    assert found.returncode == 1 and 'missing: mmdet' in found.stderr
    assert '-r requirements/full.txt' in found.stderr and 'MMLVS_VENV_FULL=/some/folder' in found.stderr


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
