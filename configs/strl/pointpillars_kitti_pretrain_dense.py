"""Dense STRL: PointPillars' whole trunk learns from regions of KITTI's scans: the same recipe, another detector."""

_base_ = './pvrcnn_kitti_pretrain_dense.py'

model = dict(
    encoder=dict(
        detector='mmdet3d::pointpillars/pointpillars_hv_secfpn_8xb6-160e_kitti-3d-3class.py',
        trunk=None,
        feature='0',  # the neck's only level, (B, 384, 248, 216)
    ),
    projector=dict(in_channels=384),
)
train_dataloader = dict(dataset=dict(point_cloud_range=[0, -39.68, -3, 69.12, 39.68, 1]))
