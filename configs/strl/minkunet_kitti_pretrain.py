"""MinkUNet's whole trunk pre-trained on KITTI, whose scans SemanticKITTI labels: around the car, not in front of it."""

_base_ = './pvrcnn_kitti_pretrain.py'

model = dict(
    encoder=dict(
        detector='mmdet3d::minkunet/minkunet34_w32_spconv_8xb2-laser-polar-mix-3x_semantickitti.py',
        trunk=None,
        feature=None,  # its only output, (V, 96)
    ),
    projector=dict(in_channels=96),
)
train_dataloader = dict(dataset=dict(point_cloud_range=[-100, -100, -20, 100, 100, 20]))
