"""PointNet pre-trained on synthetic shapes by the recipe of the released code. Data: see `shape_pairs.py`."""

_base_ = [
    '../_base_/models/pointnet_shapes.py',
    '../_base_/datasets/shape_pairs.py',
    '../_base_/recipes/strl_released.py',
    '../_base_/pretrain_runtime.py',
]

model = dict(
    type='STRL',
    encoder=dict(type='DetectorEncoder', detector=_base_.classifier),
    projector=dict(type='ProjectionMLP', in_channels=1024),
    predictor=dict(type='ProjectionMLP', in_channels=256),
)

train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='MultiView', load=_base_.load_shape, augment=_base_.shape_augmentation, pack=_base_.pack_shape)
        ],
    ),
)

# The released length.
max_epochs = 50
train_cfg = dict(max_epochs=max_epochs)
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0, begin=0, end=max_epochs, by_epoch=True, convert_to_iter_based=True),
]
