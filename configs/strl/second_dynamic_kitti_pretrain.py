"""The trunk of SECOND with dynamic voxels, which keep all points, pre-trained on KITTI: another detector."""

_base_ = './second_kitti_pretrain.py'

model = dict(encoder=dict(detector='mmdet3d::dynamic_voxelization/second_dv_secfpn_8xb2-cosine-80e_kitti-3d-3class.py'))
