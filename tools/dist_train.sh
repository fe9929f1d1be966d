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
port=${PORT:-29500}
nodes=${NNODES:-1}
if [ "${MAX_RESTARTS:-0}" = 0 ]; then
    start=(--node_rank="${NODE_RANK:-0}" --master_addr="$address" --master_port="$port")
else
    # Ranks that are started again must not find the addresses of those before them in torchrun's own store, where they
    # would wait for the dead (pytorch/pytorch#135712). So each start gets a store of its own, which takes the rendezvous
    # that also counts the nodes again: then torchrun says which node is the first, not NODE_RANK.
    export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
    is_host=$([ "${NODE_RANK:-0}" = 0 ] && echo 1 || echo 0)
    start=(--rdzv_backend=c10d --rdzv_endpoint="$address:$port" --rdzv_id=strl --rdzv_conf="is_host=$is_host")
    [ "$nodes" = 1 ] && start+=(--local_addr="$address")
fi
exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="$nodes" \
    "${start[@]}" \
    --nproc_per_node="$gpus" \
    --max_restarts="${MAX_RESTARTS:-0}" \
    "$(dirname "$0")/train.py" "$config" --launcher pytorch "$@"
