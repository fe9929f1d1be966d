"""PointNet pre-trained on shapes that are not rotated (paper, Tab. 7a)."""

_base_ = '../strl/pointnet_shapenet_pretrain.py'

augment = [step for step in _base_.shape_augmentation if step['type'] != 'RandomRotatePoints']
train_dataloader = dict(dataset=dict(pipeline=dict(augment=augment)))
