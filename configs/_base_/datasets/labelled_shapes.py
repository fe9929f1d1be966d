"""Labelled shapes, for fine-tuning and for the linear probe.

Data: $SHAPES_ROOT, data/shapes_sim without it; a folder with labelled shapes (ModelNet40 in any of its forms, or an .npz)
and the indices train.json and test.json by
`tools/create_sequence_index.py shapes --root $SHAPES_ROOT --split train --out $SHAPES_ROOT/train.json`, and likewise test.

A part of the labels: `tools/select_labels.py`, then --cfg-options train_dataloader.dataset.ann_file=THAT.json, and for fewer
than 32 shapes a smaller train_dataloader.batch_size. There is no validation split: mmengine's validation is on the test
shapes and comes once, after the last epoch, so no epoch is chosen by it.
"""

data_root = '{{$SHAPES_ROOT:data/shapes_sim}}'
load = [dict(type='LoadShape'), dict(type='NormalizePointsToUnitSphere')]
pack = [
    dict(type='DownSamplePoints', num_points=2048),
    dict(type='Pack3DDetInputs', keys=['points', 'gt_labels_3d']),
]

train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='ShapeDataset',
        data_root=data_root,
        ann_file='train.json',
        # Size and place are drawn each time, as the paper's view transform draws the size; shapes are not turned.
        pipeline=[
            *load,
            dict(
                type='GlobalRotScaleTrans', rot_range=[0, 0], scale_ratio_range=[0.8, 1.25], translation_std=[0.1] * 3
            ),
            *pack,
        ],
    ),
)
test_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ShapeDataset', data_root=data_root, ann_file='test.json', test_mode=True, pipeline=[*load, *pack]
    ),
)
test_evaluator = dict(type='ShapeAccuracy')
test_cfg = dict()

val_dataloader = test_dataloader
val_evaluator = test_evaluator
val_cfg = dict()
