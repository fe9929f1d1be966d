"""The trunk of PointPillars with dynamic voxels, which keep all points, pre-trained on KITTI: another detector."""

_base_ = './pointpillars_kitti_pretrain.py'

model = dict(encoder=dict(detector='mmdet3d::dynamic_voxelization/pointpillars_dv_secfpn_8xb6-160e_kitti-3d-car.py'))
