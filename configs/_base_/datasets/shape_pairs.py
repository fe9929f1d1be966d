"""Two views of each synthetic shape.

Data: $SHAPENET_ROOT, data/shapes_sim without it; a folder with shapenet57448xyzonly.npz, or other shapes, and an index by
`tools/create_sequence_index.py shapes --root $SHAPENET_ROOT --out $SHAPENET_ROOT/sequences.json`.
"""

_base_ = ['./pairs.py']

train_dataloader = dict(
    batch_size=48,
    dataset=dict(
        data_root='{{$SHAPENET_ROOT:data/shapes_sim}}',
        mode='spatial',  # a shape has no second frame: both views show the same one
        pipeline=dict(
            load=[dict(type='LoadShape')],
            pack=[dict(type='DownSamplePoints', num_points=2048), dict(type='Pack3DDetInputs', keys=['points'])],
        ),
    ),
)
