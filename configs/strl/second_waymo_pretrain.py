"""SECOND's whole trunk pre-trained on Waymo: the same recipe, another detector and range."""

_base_ = './pointpillars_waymo_pretrain.py'

model = dict(
    encoder=dict(
        detector='mmdet3d::second/second_hv_secfpn_sbn-all_16xb2-2x_waymoD5-3d-3class.py',
        feature='0',  # the neck's only level
    ),
    projector=dict(in_channels=512),
)
