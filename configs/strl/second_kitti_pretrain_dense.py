"""Dense STRL: SECOND's whole trunk learns from regions of KITTI's scans: the same recipe, another detector."""

_base_ = './pvrcnn_kitti_pretrain_dense.py'

model = dict(
    encoder=dict(
        detector='mmdet3d::second/second_hv_secfpn_8xb6-80e_kitti-3d-3class.py',
        trunk=None,
        feature='0',  # the neck's only level, (B, 512, 200, 176)
    ),
)
