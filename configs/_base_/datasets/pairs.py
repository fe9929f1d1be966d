"""The data loader of every pre-training: pairs of frames, each frame made into a view.

A config adds how a frame is loaded (`load`), the views of its recipe (`augment`) and the packing (`pack`).
"""

train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='PairSampler'),
    collate_fn=dict(type='collate_pairs'),
    dataset=dict(
        type='TemporalPairDataset',
        ann_file='sequences.json',
        pipeline=dict(type='MultiView'),
    ),
)
