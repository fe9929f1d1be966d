"""PV-RCNN's whole trunk pre-trained: 3D backbone, voxel set abstraction, BEV backbone and neck.

Ours, not the paper's: the BEV plane (512 channels) and the fused key points (128) are each pooled and then concatenated,
so that every part of the trunk is under the loss.
"""

_base_ = './pvrcnn_kitti_pretrain.py'

model = dict(
    encoder=dict(trunk=None, feature=['neck_feats.0', 'fusion_keypoint_features']),
    projector=dict(in_channels=640),
)
