"""PointNet pre-trained on shapes without any view transform (paper, Tab. 7a)."""

_base_ = '../strl/pointnet_shapenet_pretrain.py'

augment = [_base_.shape_augmentation[0], *_base_.spatial_augmentation]  # the normalisation comes first
train_dataloader = dict(dataset=dict(pipeline=dict(augment=augment)))
