"""CenterPoint's whole trunk, with pillars, pre-trained on nuScenes: the same recipe, another detector."""

_base_ = './centerpoint_voxel_nuscenes_pretrain.py'

model = dict(
    encoder=dict(
        detector='mmdet3d::centerpoint/centerpoint_pillar02_second_secfpn_8xb4-cyclic-20e_nus-3d.py',
        feature='0',  # the neck's only level, (B, 384, 128, 128)
    ),
    projector=dict(in_channels=384),
)
