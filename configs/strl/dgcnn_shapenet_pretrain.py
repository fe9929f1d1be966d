"""DGCNN pre-trained on synthetic shapes (paper, Tab. 1): two views of each shape. Data: see `shape_pairs.py`."""

_base_ = [
    '../_base_/models/dgcnn_shapes.py',
    '../_base_/models/strl.py',
    '../_base_/datasets/shape_pairs.py',
    '../_base_/recipes/strl_paper.py',
]

model = dict(encoder=dict(detector=_base_.classifier), projector=dict(in_channels=2048))
train_dataloader = dict(batch_size=32, dataset=dict(pipeline=dict(augment=_base_.shape_augmentation)))
