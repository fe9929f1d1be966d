"""Two views of each synthetic shape, for pre-training.

Data: $SHAPENET_ROOT, data/shapes_sim without it; a folder with shapenet57448xyzonly.npz, or other shapes, and an index by
`tools/create_sequence_index.py shapes --root $SHAPENET_ROOT --out $SHAPENET_ROOT/sequences.json`.

A shape has no second frame: both views are made of the same one. A config sets the pipeline, with its recipe's views
between the two parts here.
"""

load_shape = [dict(type='LoadShape')]
pack_shape = [
    dict(type='DownSamplePoints', num_points=2048),
    dict(type='Pack3DDetInputs', keys=['points']),
]

train_dataloader = dict(
    batch_size=48,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='PairSampler'),
    collate_fn=dict(type='collate_pairs'),
    dataset=dict(
        type='TemporalPairDataset',
        data_root='{{$SHAPENET_ROOT:data/shapes_sim}}',
        ann_file='sequences.json',
        mode='spatial',
    ),
)
