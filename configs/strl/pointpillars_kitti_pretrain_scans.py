"""PointPillars' whole trunk pre-trained on KITTI, with views made for scans and AdamW for a short run."""

_base_ = [
    '../_base_/models/strl.py',
    '../_base_/datasets/kitti_pairs.py',
    '../_base_/augmentations/strl_scans.py',
    '../_base_/recipes/strl_adamw.py',
]

model = dict(
    encoder=dict(
        detector='mmdet3d::pointpillars/pointpillars_hv_secfpn_8xb6-160e_kitti-3d-3class.py',
        feature='0',  # the neck's only level, (B, 384, 248, 216)
    ),
    projector=dict(in_channels=384),
)
stages = _base_.train_dataloader.dataset.pipeline
views = dict(
    stages,
    load=[*stages['load'], *_base_.scan_load],
    augment=[*_base_.scan_density, *_base_.lidar_view_transform, *_base_.scan_crop],
)
train_dataloader = dict(
    dataset=dict(point_cloud_range=[0, -39.68, -3, 69.12, 39.68, 1], pipeline=[*_base_.scan_pair, views])
)
