"""The same for PointNet++ with groups of several scales."""

_base_ = './pointnet2_ssg_scannet_pretrain.py'

model = dict(
    encoder=dict(
        detector='mmdet3d::pointnet2/pointnet2_msg_2xb16-cosine-250e_scannet-seg-xyz-only.py',
        feature='sa_features.-1',  # (B, 1024, 16)
    ),
    projector=dict(in_channels=1024),
)
