"""PointNet pre-trained on some thousand shapes, on a CPU (docs/small_data.md). Data: see `shape_pairs.py`."""

_base_ = [
    '../_base_/models/pointnet_shapes.py',
    '../_base_/datasets/shape_pairs.py',
    '../_base_/recipes/strl_small_data.py',
    '../_base_/pretrain_runtime.py',
]

model = dict(
    type='STRL',
    encoder=dict(type='DetectorEncoder', detector=_base_.classifier),
    projector=dict(type='ProjectionMLP', in_channels=1024, hidden_channels=1024, normalize=True),
    predictor=dict(type='ProjectionMLP', in_channels=256, hidden_channels=1024),
)

pack = dict(type='Pack3DDetInputs', keys=['points'])
train_dataloader = dict(
    batch_size=64,
    num_workers=2,
    dataset=dict(
        pipeline=[
            dict(
                type='MultiView',
                load=[*_base_.load_shape, dict(type='NormalizePointsToUnitSphere')],
                augment=_base_.small_views,
                pack=[dict(type='DownSamplePoints', num_points=256), pack],
                num_local=4,
                local=[*_base_.local_views, dict(type='DownSamplePoints', num_points=64), pack],
            )
        ],
    ),
)
default_hooks = dict(checkpoint=dict(interval=20))
