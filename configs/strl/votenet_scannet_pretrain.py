"""VoteNet's backbone pre-trained on the RGB-D walks of ScanNet, geometry only (paper, Tab. 3)."""

_base_ = [
    '../_base_/models/strl.py',
    '../_base_/datasets/scannet_pairs.py',
    '../_base_/recipes/strl_paper.py',
]

model = dict(
    encoder=dict(
        detector='mmdet3d::votenet/votenet_8xb16_sunrgbd-3d.py',
        override={'backbone.in_channels': 3},
        feature='fp_features.-1',  # (B, 256, 1024), the seeds of the last feature propagation
    ),
    projector=dict(in_channels=256),
)
num_points = 20000  # the input size of the stock SUN RGB-D config
# Points that the down-sampling would take away are dropped ahead of the jitter.
spatial = [*_base_.crop_and_cutout, dict(_base_.drop_out, at_most=num_points), _base_.jitter]
pack = [dict(type='DownSamplePoints', num_points=num_points), dict(type='Pack3DDetInputs', keys=['points'])]
train_dataloader = dict(dataset=dict(pipeline=dict(augment=[*_base_.view_transform, *spatial], pack=pack)))
