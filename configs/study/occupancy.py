"""Masked occupancy of both frames: hidden patches alone, without the head for motion."""

_base_ = ['./matched.py']

model = dict(
    type='PlanePrediction',
    in_channels=96,
    heads=dict(occupancy=dict(type='OccupancyHead', temporal=True)),
)
views = dict(
    _base_.views,
    pair=[dict(type='MarkMoved')],
    augment=[],
    pack=[
        *_base_.views['pack'][:-1],
        dict(type='Pack3DDetInputs', keys=['points', 'pts_semantic_mask', 'pts_instance_mask']),
    ],
)
train_dataloader = dict(dataset=dict(pipeline=[*_base_.scan_pair, views]))
default_hooks = dict(target=None, collapse=None)
