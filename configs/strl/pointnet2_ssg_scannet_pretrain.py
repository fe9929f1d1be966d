"""PointNet++'s segmentation trunk pre-trained on the RGB-D walks of ScanNet, XYZ only: the same recipe, a segmentor."""

_base_ = './votenet_scannet_pretrain.py'

model = dict(
    encoder=dict(
        detector='mmdet3d::pointnet2/pointnet2_ssg_2xb16-cosine-200e_scannet-seg-xyz-only.py',
        feature='sa_features.-1',  # (B, 512, 16); what follows belongs to the head
    ),
    projector=dict(in_channels=512),
)
num_points = 8192  # as many as in the stock config
spatial = [*_base_.crop_and_cutout, dict(_base_.drop_out, at_most=num_points), _base_.jitter]
pack = [dict(type='DownSamplePoints', num_points=num_points), dict(type='Pack3DDetInputs', keys=['points'])]
train_dataloader = dict(dataset=dict(pipeline=dict(augment=[*_base_.view_transform, *spatial], pack=pack)))
