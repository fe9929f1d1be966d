"""PointNet pre-trained on shapes with the view transforms alone (paper, Tab. 8)."""

_base_ = '../strl/pointnet_shapenet_pretrain.py'

augment = [_base_.shape_augmentation[0], *_base_.view_transform]  # the normalisation comes first
train_dataloader = dict(dataset=dict(pipeline=dict(augment=augment)))
