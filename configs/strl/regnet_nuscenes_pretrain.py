"""The trunk of PointPillars with a RegNet pre-trained on nuScenes: the same recipe, another detector."""

_base_ = './pointpillars_nuscenes_pretrain.py'

model = dict(
    encoder=dict(
        detector='mmdet3d::regnet/pointpillars_hv_regnet-400mf_fpn_sbn-all_8xb4-2x_nus-3d.py',
        # From random weights. Without this line it begins, as the stock config does, with weights of ImageNet, which are
        # downloaded.
        override={'pts_backbone.init_cfg': None},
    )
)
