import json
import re
import subprocess
import sys

import pytest

from mmlvs import doctor
from mmlvs.doctor import NEEDED, OPTIONAL, Finding, Part
from tests.tools.loading import ROOT


def test_this_environment_works():
    """The suite runs here, so the doctor must say that the core works; it must not need more than Python to say so."""
    done = subprocess.run([sys.executable, '-m', 'mmlvs.doctor', '--json'], cwd=ROOT, capture_output=True, text=True,
                          timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    found = {finding['name']: finding for finding in report['findings']}
    assert report['works'] and {part.module for part in (*NEEDED, *OPTIONAL)} <= set(found)
    assert all(found[part.module]['state'] == 'ok' for part in NEEDED) and found['mmlvs']['state'] == 'ok'
    assert found['mm family']['detail'].startswith(('OneDL', 'OpenMMLab'))
    assert {'CUDA', 'mmcv operators', 'video files'} <= set(found)
    for finding in report['findings']:
        if finding['state'] in ('missing', 'broken'):
            assert finding['unlocks'] and (finding['install'] or finding['name'] == 'CUDA'), finding


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """Modules that can be imported, fail, and end the process."""
    for name, code in dict(fine_one='__version__ = "1.2"\nprint("noise")', failing_one='raise ImportError("no libGL")',
                           deadly_one='import os; os._exit(9)', fine_two='', slow_one='import time; time.sleep(60)'
                           ).items():
        (tmp_path / f'{name}.py').write_text(code)
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))


def test_probe_survives_what_it_imports(modules):
    found = doctor.probe(['fine_one', 'deadly_one', 'failing_one', 'fine_two'])
    assert found == dict(fine_one={'version': '1.2'}, failing_one={'error': 'ImportError: no libGL'},
                         deadly_one={'error': 'importing it ends the process with code 9'}, fine_two={'version': ''})


def test_probe_does_not_wait_for_ever(modules):
    found = doctor.probe(['fine_one', 'slow_one'], timeout=1)
    assert found['fine_one'] == {'version': '1.2'} and 'more than 1 s' in found['slow_one']['error']


def examine(monkeypatch, *, missing=(), facts=None, versions=None):
    """Findings of an environment made up: all is there but ``missing``, with ``facts`` of imports."""
    standard = {part.module: {'version': '99.0'} for part in (*NEEDED, *OPTIONAL)}
    standard |= {doctor.LAST: {'version': ''}, 'mmcv._ext': {'version': '', 'cuda': '13.0'}}
    standard['torch'] |= dict(cuda='13.0', gpus=['a GPU'])
    standard['cv2'] |= dict(headless=True, ffmpeg=True)
    for name, more in (facts or {}).items():
        standard[name] = {**standard[name], **more}
    versions = versions or {part.distributions[0]: '99.0' for part in (*NEEDED, *OPTIONAL)}
    monkeypatch.setattr(doctor, '_exists', lambda module: module not in missing)
    monkeypatch.setattr(doctor, 'probe', lambda names: {name: standard[name] for name in names})
    monkeypatch.setattr(doctor, 'installed', lambda names: {n: versions[n] for n in names if n in versions})
    findings = doctor.examine()
    return {finding.name: finding for finding in findings}, doctor.works(findings)


def test_all_is_well(monkeypatch):
    found, works = examine(monkeypatch)
    assert works and {finding.state for finding in found.values()} == {'ok'}
    assert found['CUDA'].detail == '13.0: a GPU'


@pytest.mark.parametrize(('setting', 'name', 'state', 'detail', 'install'), [
    (dict(missing=['scipy']), 'scipy', 'missing', 'not installed', "pip install 'scipy>=1.11'"),
    (dict(facts=dict(torch={'version': '2.1.0'})), 'torch', 'broken', '2.4 or newer', "--upgrade 'torch>=2.4'"),
    (dict(facts=dict(cv2={'error': 'ImportError: libGL.so.1: cannot open shared object file'})), 'cv2', 'broken',
     'libGL.so.1', 'opencv-python-headless'),
    (dict(facts=dict(numpy={'error': 'ImportError: half installed'})), 'numpy', 'broken', 'half installed',
     '--force-reinstall'),
    (dict(facts={doctor.LAST: {'error': 'ImportError: cannot import X'}}), 'mmlvs', 'broken', 'cannot import X',
     'requirements/runtime.txt'),
])
def test_a_core_that_does_not_work(monkeypatch, setting, name, state, detail, install):
    found, works = examine(monkeypatch, **setting)
    assert not works
    assert found[name].state == state and detail in found[name].detail and install in found[name].install
    assert [key for key, finding in found.items() if finding.needed and finding.state != 'ok'] == [name]


@pytest.mark.parametrize(('setting', 'name', 'state', 'text'), [
    (dict(missing=['mmcv._ext']), 'mmcv operators', 'missing', '--no-build-isolation'),
    (dict(facts={'mmcv._ext': {'error': 'ImportError: undefined symbol'}}), 'mmcv operators', 'broken', 'another PyTo'),
    (dict(facts={'mmcv._ext': {'cuda': 'not available'}}), 'mmcv operators', 'note', 'FORCE_CUDA=1'),
    (dict(missing=['mmcv._ext']), 'mmdet', 'broken', "need MMCV's compiled operators"),
    (dict(missing=['mmdet']), 'mmdet', 'missing', 'onedl-mmdetection'),
    (dict(missing=['mmdet', 'mmcv._ext']), 'mmdet', 'missing', 'onedl-mmdetection'),
    (dict(facts=dict(timm={'error': 'RuntimeError: no'})), 'timm', 'broken', '--force-reinstall'),
    (dict(facts=dict(torch={'cuda': None, 'gpus': []})), 'CUDA', None, 'built for CPUs'),
    (dict(facts=dict(torch={'gpus': []})), 'CUDA', 'missing', 'sees no GPU'),
    (dict(facts=dict(cv2={'ffmpeg': False})), 'video files', 'missing', 'no FFmpeg'),
    (dict(facts=dict(cv2={'headless': False})), 'libGL', 'note', 'needs libGL'),
])
def test_what_is_optional_does_no_harm(monkeypatch, setting, name, state, text):
    found, works = examine(monkeypatch, **setting)
    assert works and text in f'{found[name]}'
    assert found[name].state == state if state else found[name].state in ('missing', 'note')


def test_families(monkeypatch):
    brought = {part.distributions[0]: '99.0' for part in NEEDED} | {'mmcv': '2.2.0', 'opencv-python': '4.9'}
    found, works = examine(monkeypatch, versions=brought)
    assert works and 'mixed' in found['mm family'].detail
    assert found['libGL'].state == 'ok' and 'the headless build is in use' in found['libGL'].detail
    doubled = next(f for f in doctor._families() if f.name == 'mmcv')
    assert 'both installed' in doubled.detail and 'pip uninstall -y mmcv &&' in doubled.install


def test_minimum_versions_are_those_of_the_requirements():
    text = (ROOT / 'requirements' / 'runtime.txt').read_text() + (ROOT / 'requirements' / 'optional.txt').read_text()
    text += (ROOT / 'requirements' / 'full.txt').read_text()
    wanted = dict(re.findall(r'^([\w-]+)>=([\d.]+)', text, flags=re.MULTILINE))
    for part in (*NEEDED, *OPTIONAL):
        names = [name for name in part.distributions if name in wanted and not name.startswith('onedl-')]
        assert all(wanted[name] == part.minimum for name in names), part
    known = {name for part in (*NEEDED, *OPTIONAL) for name in part.distributions}
    assert set(wanted) - known <= {'pre-commit'}


def test_text(capsys, monkeypatch):
    findings = [Finding('torch', 'broken', '1.0: too old', True, install='pip install torch'),
                Finding('timm', 'missing', 'not installed', unlocks='backbones', install='pip install timm')]
    monkeypatch.setattr(doctor, 'examine', lambda: findings)
    assert doctor.main([]) == 1
    text = capsys.readouterr().out
    assert re.search(r'BROKEN +torch +1.0: too old\n +install: pip install torch', text)
    assert re.search(r'- +timm +not installed\n +unlocks: backbones\n +install: pip install timm', text)
    assert 'does NOT work' in text


def test_versions_compare_as_numbers():
    part = Part('torch', ('torch',), '2.4')
    for version, state in (('2.13.0+cu130', 'ok'), ('2.4.0a0', 'ok'), ('2.10', 'ok'), ('1.13.1', 'broken')):
        assert doctor._part(part, {'torch': {'version': version}}, needed=True).state == state
