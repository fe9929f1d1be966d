"""A small PointPillars on KITTI for studies on a CPU: what `tools/evaluate_pretraining.py` trains many times.

It sees half of KITTI's range, and is measured on the objects there. Without GT sampling, which would hide how few
labels there are. Data: $KITTI_ROOT, as for PV-RCNN.
"""

_base_ = ['./pointpillars_kitti_from_strl.py', '../_base_/models/pointpillars_small.py']

model = _base_.small_pointpillars

train_pipeline = [step for step in _base_.train_pipeline if step.type != 'ObjectSample']
test_pipeline = _base_.test_pipeline
for step in [*train_pipeline, *test_pipeline[1].transforms]:
    if 'point_cloud_range' in step:
        step.update(point_cloud_range=_base_.small_range)
del step

# Two runs at once use two cores best without workers.
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(times=1, dataset=dict(pipeline=train_pipeline)),
)
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
# Heights as in mmdet3d's own: bottoms of boxes lie below the LiDAR.
val_evaluator = dict(type='KittiRangeMetric', pcd_limit_range=[*_base_.small_range[:5], 0.0])
test_evaluator = val_evaluator

# Our choice. An evaluation with a number of iterations of its own stretches the schedule to it.
train_cfg = dict(max_epochs=40, val_interval=40)
optim_wrapper = dict(optimizer=dict(lr=3e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, end=4, by_epoch=True, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', T_max=36, begin=4, end=40, by_epoch=True, convert_to_iter_based=True),
]
load_from = None
custom_hooks = []
