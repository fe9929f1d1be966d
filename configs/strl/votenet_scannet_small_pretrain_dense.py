"""The small VoteNet of studies on a CPU, pre-trained from regions with in-batch negatives, by AdamW. Ours."""

_base_ = ['./votenet_scannet_pretrain_dense.py', '../_base_/models/votenet_small.py']

model = dict(
    encoder=dict(override=dict(_delete_=True, **_base_.small_votenet)),
    projector=dict(in_channels=64, hidden_channels=1024),
    predictor=dict(hidden_channels=1024),
)
pack = [
    dict(type='DownSamplePoints', num_points=_base_.small_points),
    *_base_.train_dataloader.dataset.pipeline.pack[1:],
]
# Two runs at once use two cores best without workers.
train_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False, dataset=dict(pipeline=dict(pack=pack)))
# Batch, rate, clipping and the share of the warm-up are those of `configs/study`.
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=3e-3, weight_decay=1e-4),
    clip_grad=dict(max_norm=10),
)
train_cfg = dict(max_epochs=10)
param_scheduler = [dict(scheduler, warmup=2) for scheduler in _base_.param_scheduler]
