"""The small PointPillars of studies on a CPU, pre-trained by what has moved: the same on half the range."""

_base_ = ['./pointpillars_kitti_pretrain_motion.py', '../_base_/models/pointpillars_small.py']

model = dict(
    encoder=dict(override=_base_.small_pointpillars),  # its only level is (B, 96, 52, 52)
    in_channels=96,
)
train_dataloader = dict(dataset=dict(point_cloud_range=_base_.small_range))
