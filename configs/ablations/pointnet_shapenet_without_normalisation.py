"""PointNet pre-trained on shapes as they are stored (paper, Tab. 8)."""

_base_ = '../strl/pointnet_shapenet_pretrain.py'

augment = [step for step in _base_.shape_augmentation if step['type'] != 'NormalizePointsToUnitSphere']
train_dataloader = dict(dataset=dict(pipeline=dict(augment=augment)))
