"""Masked occupancy of both frames: hidden patches alone, without the head for motion."""

_base_ = ['./matched.py']

model = dict(
    type='PlanePrediction',
    in_channels=96,
    heads=dict(occupancy=dict(type='OccupancyHead', temporal=True)),
)
views = dict(_base_.views, augment=[])
train_dataloader = dict(dataset=dict(pipeline=[*_base_.scan_pair, views]))
default_hooks = dict(target=None, collapse=None)
