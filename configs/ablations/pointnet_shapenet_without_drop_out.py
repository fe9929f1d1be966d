"""PointNet pre-trained on shapes of which no points are dropped (paper, Tab. 8); the down-sampling stays."""

_base_ = '../strl/pointnet_shapenet_pretrain.py'

augment = [step for step in _base_.shape_augmentation if step['type'] != 'RandomDropPoints']
train_dataloader = dict(dataset=dict(pipeline=dict(augment=augment)))
