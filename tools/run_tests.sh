#!/usr/bin/env bash
# Run the test suite: bash tools/run_tests.sh [--full] [pytest arguments]
# Sets up its own environment (.venv, reused when valid); see tools/_venv.sh for MMLVS_VENV and PYTHON.
# --full: the tests marked "full" in an environment of the full stack (.venv-full, or MMLVS_VENV_FULL): about 8 GB, and
# the first time MMCV's operators are compiled, 10 to 40 minutes on two cores.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/_venv.sh"
kind=tests marked=()
if [ "${1:-}" = --full ]; then
  shift
  kind=full marked=(-m "full and not gpu")
fi
mmlvs_venv "$kind"
cd "$MMLVS_ROOT"

# One process a core with one thread each: many small tests gain nothing from threads inside an operator.
cores=$(mmlvs_cores)
workers=(-n "$((cores < 8 ? cores : 8))" --dist loadfile)
if [ "$cores" -lt 2 ] || ! "$MMLVS_PY" -c 'import xdist' 2>/dev/null; then workers=(); fi
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

start=$SECONDS code=0
"$MMLVS_PY" -m pytest -q --durations=10 ${workers[@]+"${workers[@]}"} ${marked[@]+"${marked[@]}"} "$@" || code=$?
mmlvs_say "tests took $((SECONDS - start)) s"
exit "$code"
