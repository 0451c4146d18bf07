"""Make the case reader importable by its own name, as the adapters and ``check_parity.py`` do."""
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
for folder in (ROOT / 'tests' / 'parity', ROOT / 'tools' / 'analysis_tools'):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
