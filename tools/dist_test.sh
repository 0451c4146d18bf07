#!/usr/bin/env bash
# Test with several processes: bash tools/dist_test.sh CONFIG CHECKPOINT GPUS [arguments of tools/test.py]
# Without a GPU the processes talk through gloo. Environment: NNODES, NODE_RANK, MASTER_ADDR, PORT, PYTHON.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/_venv.sh"
if [ $# -lt 3 ]; then
  mmlvs_die "usage: bash tools/dist_test.sh CONFIG CHECKPOINT GPUS [arguments of tools/test.py]" \
    "example: bash tools/dist_test.sh configs/referformer/CONFIG.py work_dirs/mine/epoch_6.pth 2"
fi
mmlvs_any_python
"$MMLVS_PY" -m torch.distributed.run --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" \
  --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" --nproc_per_node="$3" \
  "$MMLVS_ROOT/tools/test.py" "$1" "$2" --launcher pytorch "${@:4}"
