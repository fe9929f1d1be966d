"""VoteNet's backbone with mmdet3d's fourth channel, the height above the floor, for its stock 4-channel configs."""

_base_ = './votenet_scannet_pretrain.py'

model = dict(encoder=dict(override={'backbone.in_channels': 4}))

pair_views = _base_.train_dataloader.dataset.pipeline[0]
pair_views.load[0].height = True
for transform in pair_views.augment:
    if transform.type == 'RandomScalePoints':
        transform.shift_height = True
del transform
train_dataloader = dict(dataset=dict(pipeline=[pair_views]))
