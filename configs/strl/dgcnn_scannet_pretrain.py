"""DGCNN's classification trunk pre-trained on the RGB-D walks of ScanNet (paper, Tab. 6a).

Data: $SCANNET_FRAMES_ROOT, as for `votenet_scannet_pretrain.py`.

What it is for are shapes in the unit sphere, of 2048 points: so frames are made like that, as in the released code.
"""

_base_ = ['./votenet_scannet_pretrain.py', '../_base_/models/dgcnn_shapes.py']

model = dict(
    encoder=dict(_delete_=True, type='DetectorEncoder', detector=_base_.classifier),
    projector=dict(in_channels=2048),
)

load_frame = dict(type='LoadDepthFrame')
augment = _base_.shape_augmentation

train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(
                type='MultiView',
                load=[load_frame],
                augment=augment,
                pack=[
                    dict(type='DownSamplePoints', num_points=2048),
                    dict(type='Pack3DDetInputs', keys=['points']),
                ],
            )
        ],
    ),
)
