"""PointRCNN's whole trunk pre-trained on KITTI: the same recipe, a detector of points."""

_base_ = './pvrcnn_kitti_pretrain.py'

model = dict(
    encoder=dict(
        detector='mmdet3d::point_rcnn/point-rcnn_8xb2_kitti-3d-3class.py',
        trunk=None,
        feature='fp_features',  # (B, 128, 16384)
    ),
    projector=dict(in_channels=128),
)
pack = [
    dict(type='PointsRangeFilter'),
    dict(type='DownSamplePoints', num_points=16384),  # as many as in the stock config
    dict(type='Pack3DDetInputs', keys=['points']),
]
train_dataloader = dict(dataset=dict(pipeline=dict(pack=pack)))
