"""SASSD's trunk pre-trained on KITTI: the same recipe, another detector.

No feature reaches the three layers of its auxiliary task (`middle_encoder.point_fc`, `point_cls` and `point_reg`, 0.14 %
of the trunk), so the export leaves them out.
"""

_base_ = './second_kitti_pretrain.py'

model = dict(encoder=dict(detector='mmdet3d::sassd/sassd_8xb6-80e_kitti-3d-3class.py'))
