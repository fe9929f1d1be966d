"""PV-RCNN pre-trained on the drives of KITTI raw: the paper's reading, its 3D voxel backbone, max-pooled.

The authors never published the settings of this pre-training. What is our choice says so, here and in `kitti_pairs.py`.
"""

_base_ = [
    '../_base_/models/strl.py',
    '../_base_/datasets/kitti_pairs.py',
    '../_base_/recipes/strl_paper.py',
]

model = dict(
    encoder=dict(
        detector='mmdet3d::pv_rcnn/pv_rcnn_8xb2-80e_kitti-3d-3class.py',
        trunk=['voxel_encoder', 'middle_encoder'],
        feature='spatial_feats',  # the sparse backbone's output, its height stacked into the channels: (B, 256, 200, 176)
    ),
    projector=dict(in_channels=256),
)
augment = [*_base_.lidar_view_transform, *_base_.spatial_augmentation]
train_dataloader = dict(dataset=dict(pipeline=dict(augment=augment)))
