"""Dense STRL with both heads beside it."""

_base_ = ['./dense_byol.py']

model = dict(
    type='STRLWithHeads',
    in_channels=96,
    heads=dict(occupancy=dict(type='OccupancyHead'), motion=dict(type='MotionHead')),
)
views = dict(
    _base_.views,
    pair=[dict(type='DrawRegions', count=48, cell=(0.5, 0.5)), dict(type='MarkMoved')],
    pack=[
        *_base_.views['pack'][:-1],
        dict(
            type='Pack3DDetInputs',
            keys=['points', 'gt_bboxes_3d', 'gt_labels_3d', 'pts_semantic_mask', 'pts_instance_mask'],
        ),
    ],
)
train_dataloader = dict(dataset=dict(pipeline=[*_base_.scan_pair, views]))
