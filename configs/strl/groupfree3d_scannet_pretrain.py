"""GroupFree3D's backbone pre-trained on the RGB-D walks of ScanNet: the same recipe, another detector."""

_base_ = './votenet_scannet_pretrain.py'

model = dict(
    encoder=dict(
        detector='mmdet3d::groupfree3d/groupfree3d_head-L6-O256_4xb8_scannet-seg.py',
        override=None,
        feature='fp_features.-1',  # (B, 288, 1024)
    ),
    projector=dict(in_channels=288),
)
num_points = 50000  # as many as in the stock config
spatial = [*_base_.crop_and_cutout, dict(_base_.drop_out, at_most=num_points), _base_.jitter]
pack = [dict(type='DownSamplePoints', num_points=num_points), dict(type='Pack3DDetInputs', keys=['points'])]
train_dataloader = dict(dataset=dict(pipeline=dict(augment=[*_base_.view_transform, *spatial], pack=pack)))
