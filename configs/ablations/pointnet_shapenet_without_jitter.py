"""PointNet pre-trained on shapes without jitter (paper, Tab. 8)."""

_base_ = '../strl/pointnet_shapenet_pretrain.py'

augment = [step for step in _base_.shape_augmentation if step['type'] != 'RandomUniformJitterPoints']
train_dataloader = dict(dataset=dict(pipeline=dict(augment=augment)))
