"""H3DNet's four backbones pre-trained on the RGB-D walks of ScanNet, with the height: the same recipe, another detector."""

_base_ = './votenet_scannet_height_pretrain.py'

model = dict(
    encoder=dict(
        detector='mmdet3d::h3dnet/h3dnet_8xb3_scannet-seg.py',
        override=None,
        feature='hd_feature',  # (B, 256, 1024)
    ),
    projector=dict(in_channels=256),
)
num_points = 40000  # as many as in the stock config
augment = [dict(step, at_most=num_points) if step['type'] == 'RandomDropPoints' else step for step in _base_.augment]
pack = [dict(type='DownSamplePoints', num_points=num_points), dict(type='Pack3DDetInputs', keys=['points'])]
train_dataloader = dict(dataset=dict(pipeline=dict(augment=augment, pack=pack)))
