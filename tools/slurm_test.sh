#!/usr/bin/env bash
# Test under Slurm: bash tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [arguments of tools/test.py]
# Environment: as for tools/slurm_train.sh.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/_venv.sh"
if [ $# -lt 4 ]; then
  mmlvs_die "usage: bash tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [arguments of tools/test.py]" \
    "example: GPUS=8 bash tools/slurm_test.sh gpu referformer configs/referformer/CONFIG.py work_dirs/mine/epoch_6.pth"
fi
mmlvs_any_python
mmlvs_srun "$1" "$2" "$MMLVS_PY" -u "$MMLVS_ROOT/tools/test.py" "$3" "$4" --launcher slurm "${@:5}"
