"""PointNet pre-trained on some thousand shapes, on a CPU (docs/small_data.md). Data: see `shape_pairs.py`."""

_base_ = [
    '../_base_/models/pointnet_shapes.py',
    '../_base_/models/strl.py',
    '../_base_/datasets/shape_pairs.py',
    '../_base_/recipes/strl_small_data.py',
]

model = dict(
    encoder=dict(detector=_base_.classifier),
    projector=dict(in_channels=1024, hidden_channels=1024, normalize=True),
    predictor=dict(hidden_channels=1024),
)
load = [dict(type='LoadShape'), dict(type='NormalizePointsToUnitSphere')]
pack = [dict(type='DownSamplePoints', num_points=256), dict(type='Pack3DDetInputs', keys=['points'])]
pack_local = [dict(type='DownSamplePoints', num_points=64), dict(type='Pack3DDetInputs', keys=['points'])]
views = dict(load=load, augment=_base_.small_views, pack=pack, num_local=4, local=[*_base_.local_views, *pack_local])
train_dataloader = dict(batch_size=64, num_workers=2, dataset=dict(pipeline=views))
default_hooks = dict(checkpoint=dict(interval=20))
