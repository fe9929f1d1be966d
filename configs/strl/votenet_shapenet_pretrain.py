"""VoteNet's backbone pre-trained on synthetic shapes, geometry only (paper, Tab. 6b).

Data: $SHAPENET_ROOT, data/shapes_sim without it; a folder with shapenet57448xyzonly.npz, or other .npz of shapes, and
an index by `tools/create_sequence_index.py shapes --root $SHAPENET_ROOT --out $SHAPENET_ROOT/sequences.json`.

A shape has no second frame: both views are made of the same one. Shapes keep the axes of their file.
"""

_base_ = './votenet_scannet_pretrain.py'

load_frame = dict(type='LoadShape')
augment = _base_.shape_augmentation

train_dataloader = dict(
    dataset=dict(
        data_root='{{$SHAPENET_ROOT:data/shapes_sim}}',
        mode='spatial',
        align_poses=False,
        pipeline=[
            dict(
                type='MultiView',
                load=[load_frame],
                augment=augment,
                # All that a shape has, and as many as the first set abstraction samples. The 20,000 of a scene would be
                # copies of the same points: they say nothing new, and fill the 64 places of a ball with one another.
                pack=[
                    dict(type='DownSamplePoints', num_points=2048),
                    dict(type='Pack3DDetInputs', keys=['points']),
                ],
            )
        ],
    ),
)
