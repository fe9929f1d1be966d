"""VoteNet on SUN RGB-D, from scratch, geometry only as in the paper: the stock config without its height channel."""

_base_ = './votenet_sunrgbd_height_scratch.py'

model = dict(backbone=dict(in_channels=3))

train_pipeline = _base_.train_pipeline
test_pipeline = _base_.test_pipeline
for transform in [*train_pipeline, *test_pipeline]:
    if 'shift_height' in transform:
        transform.shift_height = False
del transform

train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
