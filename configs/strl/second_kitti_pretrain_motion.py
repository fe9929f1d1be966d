"""SECOND's whole trunk pre-trained by what has moved: the same recipe as PointPillars', another detector."""

_base_ = './pointpillars_kitti_pretrain_motion.py'

model = dict(
    encoder=dict(
        detector='mmdet3d::second/second_hv_secfpn_8xb6-80e_kitti-3d-3class.py',
        feature='0',  # the neck's only level, (B, 512, 200, 176)
    ),
    in_channels=512,
)
train_dataloader = dict(dataset=dict(point_cloud_range=[0, -40, -3, 70.4, 40, 1]))
