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
address=${MASTER_ADDR:-127.0.0.1}
rendezvous=(--rdzv_backend=c10d --rdzv_endpoint="$address:${PORT:-29500}" --rdzv_id=strl)
if [ "${NNODES:-1}" = 1 ]; then
    rendezvous+=(--local_addr="$address")
else
    rendezvous+=(--rdzv_conf=is_host="$([ "${NODE_RANK:-0}" = 0 ] && echo 1 || echo 0)")
fi
# Ranks that are started again must not find the addresses of those before them in torchrun's own store, where they would
# wait for the dead (pytorch/pytorch#135712). This gives each start a store of its own, as static rendezvous cannot.
export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    "${rendezvous[@]}" \
    --nproc_per_node="$gpus" \
    --max_restarts="${MAX_RESTARTS:-0}" \
    "$(dirname "$0")/train.py" "$config" --launcher pytorch "$@"
