"""Masked occupancy of both frames, and what has moved."""

_base_ = ['./occupancy.py']

model = dict(heads=dict(motion=dict(type='MotionHead')))
views = dict(
    _base_.views,
    pair=[dict(type='MarkMoved')],
    pack=[
        *_base_.views['pack'][:-1],
        dict(type='Pack3DDetInputs', keys=['points', 'pts_semantic_mask', 'pts_instance_mask']),
    ],
)
train_dataloader = dict(dataset=dict(pipeline=[*_base_.scan_pair, views]))
