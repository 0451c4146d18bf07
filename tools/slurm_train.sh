#!/usr/bin/env bash
# Train under Slurm: bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [arguments of tools/train.py]
# Environment: GPUS (8 processes in all), GPUS_PER_NODE (8), CPUS_PER_TASK (5), GRES (gpu:$GPUS_PER_NODE; empty: no GPU,
# the processes talk through gloo), SRUN_ARGS, MASTER_PORT, PYTHON.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/_venv.sh"
if [ $# -lt 4 ]; then
  mmlvs_die "usage: bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [arguments of tools/train.py]" \
    "example: GPUS=8 bash tools/slurm_train.sh gpu referformer configs/referformer/CONFIG.py work_dirs/mine --amp"
fi
mmlvs_any_python
mmlvs_srun "$1" "$2" "$MMLVS_PY" -u "$MMLVS_ROOT/tools/train.py" "$3" --work-dir "$4" --launcher slurm "${@:5}"
