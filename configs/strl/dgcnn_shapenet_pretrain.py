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
            dict(
                type='MultiView',
                load=[dict(type='LoadShape')],
                augment=_base_.shape_augmentation,
                pack=[
                    dict(type='DownSamplePoints', num_points=2048),
                    dict(type='Pack3DDetInputs', keys=['points']),
                ],
            )
        ],
    ),
)
