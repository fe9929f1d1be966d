"""SSN's whole trunk pre-trained on nuScenes: the same recipe, another detector."""

_base_ = './pointpillars_nuscenes_pretrain.py'

model = dict(
    encoder=dict(
        detector='mmdet3d::ssn/ssn_hv_secfpn_sbn-all_16xb2-2x_nus-3d.py',
        feature='0',  # the neck's only level, (B, 384, 200, 200)
    ),
    projector=dict(in_channels=384),
)
