"""PointNet pre-trained on shapes that are not moved (paper, Tab. 7a)."""

_base_ = '../strl/pointnet_shapenet_pretrain.py'

augment = [step for step in _base_.shape_augmentation if step['type'] != 'RandomTranslatePoints']
train_dataloader = dict(dataset=dict(pipeline=dict(augment=augment)))
