#!/usr/bin/env bash
# Run the test suite: bash tools/run_tests.sh [pytest arguments]
# Sets up its own environment (.venv, reused when valid); see tools/_venv.sh for MMLVS_VENV and PYTHON.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/_venv.sh"
mmlvs_venv tests
cd "$MMLVS_ROOT"

# One process a core with one thread each: many small tests gain nothing from threads inside an operator.
cores=$("$MMLVS_PY" -c 'import os; print(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())')
workers=(-n "$((cores < 8 ? cores : 8))" --dist loadfile)
if [ "$cores" -lt 2 ] || ! "$MMLVS_PY" -c 'import xdist' 2>/dev/null; then workers=(); fi
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

start=$SECONDS code=0
"$MMLVS_PY" -m pytest -q --durations=10 ${workers[@]+"${workers[@]}"} "$@" || code=$?
mmlvs_say "tests took $((SECONDS - start)) s"
exit "$code"
