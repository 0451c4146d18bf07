#!/usr/bin/env bash
# Train with several processes: bash tools/dist_train.sh CONFIG GPUS [arguments of tools/train.py]
# Without a GPU the processes talk through gloo. Environment: NNODES, NODE_RANK, MASTER_ADDR, PORT, PYTHON.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/_venv.sh"
if [ $# -lt 2 ]; then
  mmlvs_die "usage: bash tools/dist_train.sh CONFIG GPUS [arguments of tools/train.py]" \
    "example: bash tools/dist_train.sh configs/referformer/CONFIG.py 2 --work-dir work_dirs/mine"
fi
mmlvs_any_python
"$MMLVS_PY" -m torch.distributed.run --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" \
  --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" --nproc_per_node="$2" \
  "$MMLVS_ROOT/tools/train.py" "$1" --launcher pytorch "${@:3}"
