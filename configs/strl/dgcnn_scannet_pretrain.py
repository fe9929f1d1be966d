"""DGCNN's classification trunk pre-trained on the RGB-D walks of ScanNet (paper, Tab. 6a).

It is for shapes in the unit sphere, of 2048 points: frames are made like that, as in the released code.
"""

_base_ = [
    '../_base_/models/dgcnn_shapes.py',
    '../_base_/models/strl.py',
    '../_base_/datasets/scannet_pairs.py',
    '../_base_/recipes/strl_paper.py',
]

model = dict(encoder=dict(detector=_base_.classifier), projector=dict(in_channels=2048))
pack = [dict(type='DownSamplePoints', num_points=2048), dict(type='Pack3DDetInputs', keys=['points'])]
train_dataloader = dict(dataset=dict(pipeline=dict(augment=_base_.shape_augmentation, pack=pack)))
