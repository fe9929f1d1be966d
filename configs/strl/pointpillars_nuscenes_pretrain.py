"""PointPillars' whole trunk pre-trained on nuScenes: its feature pyramid, so all three levels are pooled."""

_base_ = [
    '../_base_/models/strl.py',
    '../_base_/datasets/nuscenes_pairs.py',
    '../_base_/recipes/strl_paper.py',
]

model = dict(
    encoder=dict(
        detector='mmdet3d::pointpillars/pointpillars_hv_fpn_sbn-all_8xb4-2x_nus-3d.py',
        feature=['0', '1', '2'],  # (B, 256, 200, 200) and halved twice; one level leaves the others' layers untrained
    ),
    projector=dict(in_channels=768),
)
# x, y, z and the time since the scan, here 0: these detectors join ten scans and read no intensity.
load = [dict(type='LoadFrame', coord_type='LIDAR', load_dim=5, use_dim=3, time_lag=True)]
augment = [*_base_.lidar_view_transform, *_base_.spatial_augmentation]
train_dataloader = dict(
    dataset=dict(point_cloud_range=[-50, -50, -5, 50, 50, 3], pipeline=dict(load=load, augment=augment))
)
