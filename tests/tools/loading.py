"""Tools as modules, without starting a process for each test."""

import importlib.util
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
TINY = ROOT / 'configs/referformer/referformer_tiny_1xb8-640i_moving-shapes-easy.py'
SAMPLES = ROOT / 'tests/data/samples/ref-youtube-vos'


def load_tool(path: str) -> ModuleType:
    """The module of ``tools/<path>``."""
    spec = importlib.util.spec_from_file_location(f'tool_{Path(path).stem}', ROOT / 'tools' / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
