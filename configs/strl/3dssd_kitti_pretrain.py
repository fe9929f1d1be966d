"""3DSSD's whole trunk pre-trained on KITTI: the same recipe, another detector and range."""

_base_ = './pointrcnn_kitti_pretrain.py'

model = dict(
    encoder=dict(
        detector='mmdet3d::3dssd/3dssd_4xb4_kitti-3d-car.py',
        feature='sa_features.-1',  # (B, 256, 512)
    ),
    projector=dict(in_channels=256),
)
train_dataloader = dict(dataset=dict(point_cloud_range=[0, -40, -5, 70, 40, 3]))
