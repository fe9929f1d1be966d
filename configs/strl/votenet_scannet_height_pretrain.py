"""VoteNet's backbone with mmdet3d's fourth channel, the height above the floor, for its stock 4-channel configs."""

_base_ = './votenet_scannet_pretrain.py'

model = dict(encoder=dict(override={'backbone.in_channels': 4}))

load = [dict(type='LoadDepthFrame', height=True)]
augment = [
    dict(step, shift_height=True) if step['type'] == 'RandomScalePoints' else step
    for step in [*_base_.view_transform, *_base_.spatial]
]
train_dataloader = dict(dataset=dict(pipeline=dict(load=load, augment=augment)))
