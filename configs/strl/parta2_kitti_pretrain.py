"""Part-A2's whole trunk pre-trained on KITTI: the same recipe, another detector.

The BEV plane (512 channels) and the voxels' features (16) are each pooled and then concatenated, so that the decoder of
the 3D backbone is under the loss too.
"""

_base_ = './pvrcnn_kitti_pretrain.py'

model = dict(
    encoder=dict(
        detector='mmdet3d::parta2/parta2_hv_secfpn_8xb2-cyclic-80e_kitti-3d-3class.py',
        trunk=None,
        feature=['neck_feats.0', 'seg_features'],  # (B, 512, 200, 176) and (V, 16)
    ),
    projector=dict(in_channels=528),
)
