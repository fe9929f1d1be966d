"""Cylinder3D's whole trunk pre-trained on KITTI, whose scans SemanticKITTI labels: another detector and range."""

_base_ = './minkunet_kitti_pretrain.py'

model = dict(
    encoder=dict(detector='mmdet3d::cylinder3d/cylinder3d_4xb4-3x_semantickitti.py'),  # (V, 128)
    projector=dict(in_channels=128),
)
# The square around the detector's cylinder.
train_dataloader = dict(dataset=dict(point_cloud_range=[-50, -50, -4, 50, 50, 2]))
