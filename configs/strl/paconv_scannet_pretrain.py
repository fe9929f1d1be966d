"""The same for PAConv's trunk, whose stock configs segment S3DIS: XYZ only, which the downstream config must be too."""

_base_ = './pointnet2_ssg_scannet_pretrain.py'

model = dict(
    encoder=dict(
        detector='mmdet3d::paconv/paconv_ssg_8xb8-cosine-150e_s3dis-seg.py',
        override={'backbone.in_channels': 3},
        feature='sa_features.-1',  # (B, 512, 16)
    )
)
