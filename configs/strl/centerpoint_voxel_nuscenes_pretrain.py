"""CenterPoint's whole trunk, with voxels, pre-trained on nuScenes; its head, deformable or not, is no part of it."""

_base_ = [
    '../_base_/models/strl.py',
    '../_base_/datasets/nuscenes_pairs.py',
    '../_base_/recipes/strl_paper.py',
]

model = dict(
    encoder=dict(
        detector='mmdet3d::centerpoint/centerpoint_voxel01_second_secfpn_8xb4-cyclic-20e_nus-3d.py',
        feature='0',  # the neck's only level, (B, 512, 128, 128)
    ),
    projector=dict(in_channels=512),
)
# Single scans; the detector joins ten, and its fifth value is the time since each, here 0. An index of every scan gives
# them too: dataset.sweeps=9 and load=[dict(type='LoadSweeps', load_dim=5, use_dim=4)].
load = [dict(type='LoadFrame', coord_type='LIDAR', load_dim=5, use_dim=4, time_lag=True)]
augment = [*_base_.lidar_view_transform, *_base_.spatial_augmentation]
train_dataloader = dict(dataset=dict(pipeline=dict(load=load, augment=augment)))
