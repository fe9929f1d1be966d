"""PointNet pre-trained on synthetic shapes by the recipe of the released code. Data: see `shape_pairs.py`."""

_base_ = [
    '../_base_/models/pointnet_shapes.py',
    '../_base_/models/strl.py',
    '../_base_/datasets/shape_pairs.py',
    '../_base_/recipes/strl_released.py',
]

model = dict(encoder=dict(detector=_base_.classifier), projector=dict(in_channels=1024))
train_dataloader = dict(dataset=dict(pipeline=dict(augment=_base_.shape_augmentation)))
train_cfg = dict(max_epochs=50)  # the released length
