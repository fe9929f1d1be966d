"""PointPillars' whole trunk pre-trained on Lyft Level 5."""

_base_ = [
    '../_base_/models/strl.py',
    '../_base_/datasets/lyft_pairs.py',
    '../_base_/recipes/strl_paper.py',
]

model = dict(
    encoder=dict(
        detector='mmdet3d::pointpillars/pointpillars_hv_secfpn_sbn-all_8xb2-2x_lyft-3d.py',
        feature='0',  # the neck's only level, (B, 384, 320, 320)
    ),
    projector=dict(in_channels=384),
)
augment = [*_base_.lidar_view_transform, *_base_.spatial_augmentation]
train_dataloader = dict(dataset=dict(pipeline=dict(augment=augment)))
