#!/usr/bin/env bash
# From nothing to a video segmented by a sentence:
#   bash tools/quickstart.sh [--method referformer|lavt] [--short] [--workdir DIR] [--seed N]
# Sets up its own environment (.venv, reused when valid; see tools/_venv.sh), then runs tools/quickstart.py.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/_venv.sh"
mmlvs_venv runtime
exec "$MMLVS_PY" "$MMLVS_ROOT/tools/quickstart.py" "$@"
