"""VoteNet's backbone pre-trained on synthetic shapes, geometry only (paper, Tab. 6b). Data: see `shape_pairs.py`.

Shapes keep the axes of their file.
"""

_base_ = './votenet_scannet_pretrain.py'

# All that a shape has, and as many as the first set abstraction samples. The 20,000 of a scene would be copies of the
# same points: they say nothing new, and fill the 64 places of a ball with one another.
pack = [dict(type='DownSamplePoints', num_points=2048), dict(type='Pack3DDetInputs', keys=['points'])]
train_dataloader = dict(
    dataset=dict(
        data_root='{{$SHAPENET_ROOT:data/shapes_sim}}',
        mode='spatial',
        align_poses=False,
        pipeline=dict(load=[dict(type='LoadShape')], augment=_base_.shape_augmentation, pack=pack),
    ),
)
