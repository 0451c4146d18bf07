"""What is installed, what works, and what would be gained by more: ``python -m mmlvs.doctor [--json]``.

Needs nothing but Python: it must speak where everything else fails. Packages are imported in a process of their own, so
that one that crashes is a finding.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata, util
from pathlib import Path

import mmlvs

HEADLESS = 'pip install --force-reinstall --no-deps opencv-python-headless'
COMPILE = ('pip install -r requirements/full-build.txt && MMCV_WITH_OPS=1 pip install --no-build-isolation '
           '--no-cache-dir --force-reinstall --no-deps --no-binary onedl-mmcv onedl-mmcv')
TIMEOUT = 120  # seconds for importing everything


@dataclass(frozen=True)
class Part:
    """A package: the module that is imported, distributions that bring it (the recommended first), least version."""

    module: str
    distributions: tuple[str, ...]
    minimum: str = ''
    unlocks: str = ''


NEEDED = (
    Part('torch', ('torch',), '2.4'),
    Part('numpy', ('numpy',), '1.26'),
    Part('scipy', ('scipy',), '1.11'),
    Part('cv2', ('opencv-python-headless', 'opencv-python', 'opencv-contrib-python-headless', 'opencv-contrib-python'),
         '4.8'),
    Part('PIL', ('Pillow',), '10.1'),
    Part('h5py', ('h5py',), '3.10'),
    Part('pycocotools', ('pycocotools',), '2.0.7'),
    Part('safetensors', ('safetensors',), '0.4.3'),
    Part('transformers', ('transformers',), '4.45'),
    Part('mmengine', ('onedl-mmengine', 'mmengine', 'mmengine-lite'), '0.10'),
    Part('mmcv', ('onedl-mmcv', 'mmcv', 'mmcv-lite', 'mmcv-full'), '2.0'),
)
OPTIONAL = (
    Part('tensorboard', ('tensorboard',), '2.15', 'logs for TensorBoard, which the configs write when it is there'),
    Part('matplotlib', ('matplotlib',), '3.8', 'curves: tools/analysis_tools/analyze_logs.py'),
    Part('mmdet', ('onedl-mmdetection', 'mmdet'), '', 'backbones and layers of MMDetection in configs (mmdet.ResNet)'),
    Part('mmseg', ('onedl-mmsegmentation', 'mmsegmentation'), '',
         'backbones of MMSegmentation in configs (mmseg.MixVisionTransformer)'),
    Part('torchvision', ('torchvision',), '0.19', 'needed by timm and MMDetection'),
    Part('timm', ('timm',), '1.0', 'backbones of timm in configs'),
    Part('av', ('av',), '', 'nothing today: videos are read with OpenCV'),
    Part('torchcodec', ('torchcodec',), '', 'nothing today: videos are read with OpenCV'),
)
LAST = 'mmlvs.engine'  # imports what training imports


@dataclass(frozen=True)
class Finding:
    """What was found out about one thing.

    Attributes:
        name: what it is about.
        state: ``'ok'``, ``'missing'``, ``'broken'``, or ``'note'`` (works, but worth knowing).
        detail: version and circumstances.
        needed: whether mmlvs does without it.
        unlocks: what it would make possible, where it is missing or broken.
        install: the one line that mends it.
    """

    name: str
    state: str
    detail: str
    needed: bool = False
    unlocks: str = ''
    install: str = ''


# ------------------------------------------------------------ a process that imports

_PROBE = """
import importlib, json, os, sys
channel = os.fdopen(os.dup(1), 'w')
os.dup2(2, 1)  # whatever packages print goes elsewhere
for name in sys.argv[1:]:
    facts = {}
    try:
        module = importlib.import_module(name)
        facts['version'] = str(getattr(module, '__version__', ''))
        if name == 'torch':
            facts['cuda'] = module.version.cuda
            facts['gpus'] = [module.cuda.get_device_name(k) for k in range(module.cuda.device_count())]
            import numpy
            module.from_numpy(numpy.zeros(1)) + 1
        elif name == 'cv2':
            module.imread, module.VideoCapture
            facts['headless'] = bool(getattr(getattr(module, 'version', None), 'headless', False))
            facts['ffmpeg'] = any(line.split(':')[0].strip() == 'FFMPEG' and 'YES' in line
                                  for line in module.getBuildInformation().splitlines())
        elif name == 'mmcv._ext':
            facts['cuda'] = module.get_compiling_cuda_version()
        elif name == 'pycocotools':
            importlib.import_module('pycocotools.mask')
        elif name == 'PIL':
            importlib.import_module('PIL.Image')
    except BaseException as error:
        facts['error'] = type(error).__name__ + ': ' + (str(error).strip() or 'no message').splitlines()[0][:300]
    channel.write(json.dumps([name, facts]) + '\\n')
    channel.flush()
"""


def probe(modules: Sequence[str], timeout: float = TIMEOUT) -> dict[str, dict]:
    """Import modules in another process and note version, facts or ``error`` of each.

    A module that kills the process gets an error; the rest is tried in a new one. All share ``timeout`` seconds.
    """
    found: dict[str, dict] = {}
    left = list(modules)
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(
        [str(Path(mmlvs.__file__).parents[1]), *filter(None, [os.environ.get('PYTHONPATH')])])}
    while left:
        try:
            result = subprocess.run([sys.executable, '-c', _PROBE, *left], capture_output=True, text=True,
                                    timeout=timeout, env=environment)
            output, ending = result.stdout, f'importing it ends the process with code {result.returncode}'
        except subprocess.TimeoutExpired as late:
            output = late.stdout.decode() if isinstance(late.stdout, bytes) else late.stdout or ''
            ending = f'importing it takes more than {timeout:.0f} s'
        answered = dict(json.loads(line) for line in output.splitlines() if line.endswith('}]'))
        found |= answered
        left = [name for name in left if name not in answered]
        if left:
            found[left.pop(0)] = {'error': ending}
    return found


# ------------------------------------------------------------ what is found


def examine() -> list[Finding]:
    """Everything about this environment, what is needed first."""
    there = [part.module for part in (*NEEDED, *OPTIONAL) if _exists(part.module)]
    core_there = all(part.module in there for part in NEEDED)
    facts = probe([*there, *(['mmcv._ext'] if _exists('mmcv._ext') else []), *([LAST] if core_there else [])])
    findings = [_python(), *(_part(part, facts, needed=True) for part in NEEDED)]
    if core_there:
        error = facts[LAST].get('error')
        findings.append(Finding('mmlvs', 'broken' if error else 'ok', error or f'{mmlvs.__version__}, imports whole',
                                needed=True, install='pip install -r requirements/runtime.txt' if error else ''))
    findings += _families()
    if 'cv2' in there:
        findings += _opencv(facts['cv2'])
    if 'torch' in there and 'error' not in facts['torch']:
        findings.append(_cuda(facts['torch']))
    findings.append(_compiled(facts.get('mmcv._ext'), facts.get('torch', {}).get('gpus')))
    findings += [_part(part, facts, needed=False) for part in OPTIONAL]
    broken = 'error' in facts.get('mmcv._ext', {'error': ''})
    return [_without_operators(each) if each.name == 'mmdet' and broken else each for each in findings]


def works(findings: Sequence[Finding]) -> bool:
    """Whether nothing that is needed is missing or broken."""
    return not any(finding.needed and finding.state in ('missing', 'broken') for finding in findings)


def _exists(module: str) -> bool:
    try:
        return util.find_spec(module) is not None
    except (ImportError, ValueError):  # its package cannot be imported, or is half there
        return module.partition('.')[0] == module


def _python() -> Finding:
    version = platform.python_version()
    if sys.version_info < (3, 10):  # noqa: UP036 - an older Python is what the doctor may have to report
        return Finding('python', 'broken', f'{version}: 3.10 or newer is needed', needed=True,
                       install='PYTHON=python3.11 bash tools/quickstart.sh')
    return Finding('python', 'ok', f'{version} ({sys.executable})', needed=True)


def installed(names: Sequence[str]) -> dict[str, str]:
    """Versions of those of some distributions that are installed."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _part(part: Part, facts: dict[str, dict], *, needed: bool) -> Finding:
    requirement = part.distributions[0] + (f'>={part.minimum}' if part.minimum else '')
    install = f"pip install '{requirement}'" if part.minimum else f'pip install {requirement}'
    name = part.module
    if name not in facts:
        return Finding(name, 'missing', 'not installed', needed, part.unlocks, install)
    brought = installed(part.distributions)
    version = facts[name].get('version') or next(iter(brought.values()), '')
    origin = ', '.join(each for each in brought if each.lower() != name.lower())
    detail = f'{version} ({origin})' if origin else version
    if 'error' in facts[name]:
        libgl = name == 'cv2' and re.search(r'libGL|libgthread|libglib|imread', facts[name]['error'])
        mend = HEADLESS if libgl else install.replace('install ', 'install --force-reinstall --no-deps ', 1)
        return Finding(name, 'broken', f'{detail}: {facts[name]["error"]}', needed, part.unlocks, mend)
    if part.minimum and _numbers(version) < _numbers(part.minimum):
        return Finding(name, 'broken' if needed else 'note', f'{detail}: {part.minimum} or newer is needed', needed,
                       part.unlocks, install.replace('install ', 'install --upgrade ', 1))
    return Finding(name, 'ok', detail, needed)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r'\d+', re.split(r'[+a-z]', version)[0])[:3])


def _families() -> Iterator[Finding]:
    """Whether mmengine, mmcv, mmdet and mmseg come from OneDL's builds or OpenMMLab's, and only once each."""
    family: dict[str, str] = {}
    for part in (*NEEDED, *OPTIONAL):
        if not part.distributions[0].startswith('onedl-'):
            continue
        found = installed(part.distributions)
        if len(found) > 1:
            names = ' and '.join(f'{name} {version}' for name, version in found.items())
            others = ' '.join(name for name in found if name != part.distributions[0])
            yield Finding(part.module, 'note', f'{names} are both installed and overwrite each other', install=(
                f'pip uninstall -y {others} && pip install --force-reinstall --no-deps {part.distributions[0]}'))
        for name in found:
            family[name] = 'OneDL' if name.startswith('onedl-') else 'OpenMMLab'
    kinds = sorted(set(family.values()))
    listed = ', '.join(f'{name}' for name in family)
    if len(kinds) > 1:
        yield Finding('mm family', 'note', f'mixed: {listed}. Versions of the two families are not made for each other',
                      install='pip install -r requirements/full.txt, in a fresh environment')
    elif kinds:
        yield Finding('mm family', 'ok', f'{kinds[0]} ({listed})')


def _opencv(facts: dict) -> Iterator[Finding]:
    """Video decoding, and the two OpenCV packages that write one folder."""
    both = list(installed(NEEDED[3].distributions))
    if len(both) > 1 and 'error' not in facts:
        if facts['headless']:
            yield Finding('libGL', 'ok', f'not needed: of {" and ".join(both)} the headless build is in use')
        else:
            yield Finding('libGL', 'note', f'{" and ".join(both)} share the folder cv2; the one in use needs libGL, '
                          'which is there. On a machine without it `import cv2` fails', install=HEADLESS)
    elif 'error' not in facts and not facts['headless']:
        yield Finding('libGL', 'note', f'{" ".join(both) or "OpenCV"} needs libGL, which is there', install=HEADLESS)
    if 'error' not in facts:
        yield Finding('video files', 'ok', 'OpenCV with FFmpeg') if facts['ffmpeg'] else Finding(
            'video files', 'missing', 'this OpenCV has no FFmpeg', unlocks='reading and writing video files',
            install=HEADLESS)


def _cuda(facts: dict) -> Finding:
    driver = shutil.which('nvidia-smi') is not None
    if facts['gpus']:
        return Finding('CUDA', 'ok', f'{facts["cuda"]}: {", ".join(facts["gpus"])}')
    speed = 'training and testing on a GPU'
    if facts['cuda'] is None:
        return Finding('CUDA', 'note' if driver else 'missing', 'this PyTorch is built for CPUs'
                       + (', but there is an NVIDIA driver' if driver else ''), unlocks=speed,
                       install='pip install --force-reinstall torch, without an index of CPU builds')
    return Finding('CUDA', 'missing', f'PyTorch is built for CUDA {facts["cuda"]}, but sees no GPU'
                   + ('; nvidia-smi tells whether the driver works' if driver else ': no NVIDIA driver found'),
                   unlocks=speed, install='' if driver else "install NVIDIA's driver, by the system's package manager")


def _compiled(facts: dict | None, gpus: Sequence[str] | None) -> Finding:
    unlocks = "MMDetection's components, and MMCV's kernel of deformable attention on GPUs"
    if facts is None:
        return Finding('mmcv operators', 'missing', 'MMCV without compiled operators, which mmlvs does not need',
                       unlocks=unlocks, install=COMPILE)
    if 'error' in facts:
        return Finding('mmcv operators', 'broken', facts['error'] + ' (compiled for another PyTorch?)', unlocks=unlocks,
                       install=COMPILE)
    cuda = facts.get('cuda', 'not available')
    if cuda == 'not available' and gpus:
        return Finding('mmcv operators', 'note', 'compiled for CPUs alone, but there is a GPU', unlocks=unlocks,
                       install=COMPILE.replace('MMCV_WITH_OPS', 'FORCE_CUDA=1 MMCV_WITH_OPS'))
    return Finding('mmcv operators', 'ok', f'compiled for {"CPUs" if cuda == "not available" else f"CUDA {cuda}"}')


def _without_operators(finding: Finding) -> Finding:
    """What is found of MMDetection where MMCV's operators cannot be imported."""
    if finding.state != 'ok':
        return finding
    return replace(finding, state='broken', unlocks=next(part.unlocks for part in OPTIONAL if part.module == 'mmdet'),
                   detail=f"{finding.detail}: its components need MMCV's compiled operators", install=COMPILE)


# ------------------------------------------------------------ the command


def lines(findings: Sequence[Finding]) -> Iterator[str]:
    """The findings for a reader."""
    marks = dict(ok='ok', missing='-', broken='BROKEN', note='note')
    yield f'mmlvs {mmlvs.__version__} in {Path(mmlvs.__file__).parent}, {platform.platform()}'
    for title, needed in (('needed', True), ('beside', False)):
        yield f'\n{title}'
        for finding in findings:
            if finding.needed is not needed:
                continue
            mark = 'MISSING' if needed and finding.state == 'missing' else marks[finding.state]
            yield f'  {mark:<8} {finding.name:<15} {finding.detail}'
            for label in ('unlocks', 'install'):
                text = getattr(finding, label)
                if text and finding.state != 'ok':
                    yield f'{"":<26} {label}: {text}'
    yield ''
    yield ('The core works.' if works(findings) else
           'The core does NOT work: see what is marked MISSING or BROKEN under "needed".')


def main(arguments: list[str] | None = None) -> int:
    """Command line; 0 when the core works, 1 when something needed is missing or broken."""
    parser = argparse.ArgumentParser(
        prog='python -m mmlvs.doctor', description='What is installed, what works, what more would unlock.',
        epilog='example: python -m mmlvs.doctor --json > doctor.json')
    parser.add_argument('--json', action='store_true', help='print JSON instead of text')
    args = parser.parse_args(arguments)
    findings = examine()
    if args.json:
        print(json.dumps(dict(works=works(findings), mmlvs=mmlvs.__version__, platform=platform.platform(),
                              findings=[asdict(finding) for finding in findings]), indent=2))
    else:
        print('\n'.join(lines(findings)))
    return 0 if works(findings) else 1


if __name__ == '__main__':
    sys.exit(main())
