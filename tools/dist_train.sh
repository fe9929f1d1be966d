#!/usr/bin/env bash
# Train on several GPUs, as mmdet3d's own script:   tools/dist_train.sh CONFIG GPUS [options of tools/train.py]
# Without a GPU, GPUS processes train on the CPU. On several nodes, set NNODES, NODE_RANK, MASTER_ADDR and PORT on each.
# With MAX_RESTARTS=N, torchrun starts all ranks again when one dies, up to N times; they go on from the last checkpoint.
set -euo pipefail
if [ $# -lt 2 ]; then
    sed -n '2,4s/^# //p' "$0"
    exit 2
fi
config=$1
gpus=$2
shift 2
exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" \
    --nproc_per_node="$gpus" \
    --max_restarts="${MAX_RESTARTS:-0}" \
    "$(dirname "$0")/train.py" "$config" --launcher pytorch "$@"
