"""Installation of mmlvs: ``pip install -e .`` for work on it, ``pip install .`` to use it."""

import os
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
SHIPPED = ('configs', 'tools', 'model-index.yml')


def read_version() -> str:
    """``__version__`` of ``mmlvs/__init__.py``, read without importing the package."""
    for line in (ROOT / 'mmlvs' / '__init__.py').read_text(encoding='utf-8').splitlines():
        if line.startswith('__version__'):
            return line.split('=', 1)[1].strip().strip('\'"')
    raise RuntimeError('mmlvs/__init__.py defines no __version__')


def requirements(name: str) -> list[str]:
    """The requirement lines of ``requirements/<name>.txt``, without comments."""
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text(encoding='utf-8').splitlines()
    return [line.split('#', 1)[0].strip() for line in lines if line.split('#', 1)[0].strip()]


def fill_mim(mim: Path, *, link: bool) -> None:
    """Put configs and tools into ``mmlvs/.mim``, where an installed package finds them (as OpenMMLab packages do).

    Args:
        mim: the folder to fill, emptied first.
        link: make symbolic links (editable install: an edited config counts at once) instead of copies.
    """
    shutil.rmtree(mim, ignore_errors=True)
    mim.mkdir(parents=True)
    for name in SHIPPED:
        source, target = ROOT / name, mim / name
        if not source.exists():
            raise FileNotFoundError(f'{source} is missing: build from a complete checkout or source archive')
        if link:
            target.symlink_to(os.path.relpath(source, mim), target_is_directory=source.is_dir())
        elif source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns('__pycache__', '*.pyc'))
        else:
            shutil.copy2(source, target)


class BuildWithMim(build_py):
    """``build_py`` that also ships configs and tools."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            fill_mim(ROOT / 'mmlvs' / '.mim', link=True)
        else:
            fill_mim(Path(self.build_lib) / 'mmlvs' / '.mim', link=False)


os.chdir(ROOT)
setup(
    name='mmlvs',
    version=read_version(),
    description='Segment what is meant in a video: referring and zero-shot video segmentation on MMEngine',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    author='mmlvs contributors',
    license='Apache-2.0',
    keywords='computer vision, video segmentation, referring segmentation, language',
    classifiers=[
        'Development Status :: 3 - Alpha',
        'Intended Audience :: Science/Research',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Programming Language :: Python :: 3.13',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
    ],
    python_requires='>=3.10',
    packages=find_packages(include=('mmlvs', 'mmlvs.*')),
    include_package_data=False,
    package_data={'mmlvs': ['**/*.json', '**/*.txt', '**/*.yml']},
    install_requires=requirements('runtime'),
    extras_require={
        'tests': requirements('tests'),
        'optional': requirements('optional'),
        'full': requirements('full'),
        'all': requirements('tests') + requirements('optional') + requirements('full'),
    },
    cmdclass={'build_py': BuildWithMim},
    zip_safe=False,
)
