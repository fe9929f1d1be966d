"""STRL where there are some thousand clouds and a CPU: what was found to gain most in docs/small_data.md.

Against the paper's recipe: AdamW, whose rate needs no large batch; a projector that is normalised, so that what all
clouds have in common does not count as agreement; weaker views, because they are few clouds' only source of detail;
and small local views, from each of which both views are predicted. A config sets the numbers of points, and takes
`small_views` for its views and `local_views` for the local ones.
"""

# Sizes of the views as in the paper, no crop or cutout, a smaller jitter; shapes are in the unit sphere.
small_views = [
    dict(type='RandomRotatePoints', max_angle=0.2617993877991494, prob=0.5),  # 15 degrees
    dict(type='RandomTranslatePoints', max_shift=0.1, prob=0.5),
    dict(type='RandomScalePoints', scale=(0.8, 1.25), prob=0.5),
    dict(type='RandomUniformJitterPoints', max_offset=0.02),
]
local_views = [
    dict(type='RandomCropPoints', volume=(0.05, 0.4), min_points=64, prob=1.0),
    *small_views,
]

max_epochs = 110
train_cfg = dict(type='PretrainLoop', max_epochs=max_epochs)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=2e-3, weight_decay=1e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, begin=0, end=11, by_epoch=True, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', eta_min=0, begin=11, end=max_epochs, by_epoch=True, convert_to_iter_based=True),
]
custom_hooks = [
    dict(type='TargetUpdateHook', tau_start=0.996),
    dict(type='CollapseMonitorHook'),
    dict(type='UnusableFramesHook'),
    dict(type='ExportEncoderHook'),
    dict(type='ReportHook'),
]
