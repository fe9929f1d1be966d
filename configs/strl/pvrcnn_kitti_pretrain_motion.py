"""PV-RCNN's 3D and BEV backbones pre-trained by what has moved: the same recipe as PointPillars', another detector."""

_base_ = './second_kitti_pretrain_motion.py'

model = dict(
    encoder=dict(
        detector='mmdet3d::pv_rcnn/pv_rcnn_8xb2-80e_kitti-3d-3class.py',
        trunk=['voxel_encoder', 'middle_encoder', 'backbone', 'neck'],
        feature='neck_feats.0',  # the BEV plane that the anchor head sees, (B, 512, 200, 176)
    )
)
