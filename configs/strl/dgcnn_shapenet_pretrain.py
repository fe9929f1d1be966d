"""DGCNN pre-trained on synthetic shapes (paper, Tab. 1): two views of each shape. Data: see `shape_pairs.py`."""

_base_ = [
    '../_base_/models/dgcnn_shapes.py',
    '../_base_/datasets/shape_pairs.py',
    '../_base_/recipes/strl_paper.py',
    '../_base_/pretrain_runtime.py',
]

model = dict(
    type='STRL',
    encoder=dict(type='DetectorEncoder', detector=_base_.classifier),
    projector=dict(type='ProjectionMLP', in_channels=2048),
    predictor=dict(type='ProjectionMLP', in_channels=256),
)

train_dataloader = dict(
    batch_size=32,
    dataset=dict(
        pipeline=[
            dict(type='MultiView', load=_base_.load_shape, augment=_base_.shape_augmentation, pack=_base_.pack_shape)
        ],
    ),
)
