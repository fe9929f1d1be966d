"""The trunk of PointPillars with FreeAnchor's head pre-trained on nuScenes: the same recipe, another detector."""

_base_ = './pointpillars_nuscenes_pretrain.py'

model = dict(
    encoder=dict(detector='mmdet3d::free_anchor/pointpillars_hv_fpn_head-free-anchor_sbn-all_8xb4-2x_nus-3d.py')
)
