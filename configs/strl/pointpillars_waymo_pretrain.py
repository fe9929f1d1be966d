"""PointPillars' whole trunk pre-trained on Waymo."""

_base_ = [
    '../_base_/models/strl.py',
    '../_base_/datasets/waymo_pairs.py',
    '../_base_/recipes/strl_paper.py',
]

model = dict(
    encoder=dict(
        detector='mmdet3d::pointpillars/pointpillars_hv_secfpn_sbn-all_16xb2-2x_waymo-3d-3class.py',
        feature='0',  # the neck's only level, (B, 384, 468, 468)
    ),
    projector=dict(in_channels=384),
)
augment = [*_base_.lidar_view_transform, *_base_.spatial_augmentation]
train_dataloader = dict(dataset=dict(pipeline=dict(augment=augment)))
