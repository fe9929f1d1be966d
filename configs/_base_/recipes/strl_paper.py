"""The paper's recipe (Huang et al., ICCV 2021): its views, LARS with warm-up and cosine, its target update.

A pre-training config starts from this file or from `strl_released.py`, and takes the views' lists from it. A run of
another length needs other ends of the schedule too, e.g. for 4 epochs

    --cfg-options train_cfg.max_epochs=4 param_scheduler.0.end=1 param_scheduler.1.begin=1 param_scheduler.1.end=4
"""

_base_ = ['../augmentations/strl_paper.py']

max_epochs = 100
train_cfg = dict(type='PretrainLoop', max_epochs=max_epochs)

# BYOL's LARS: rate 0.2, layer-wise trust 0.001, weight decay 1.5e-6, none of both for 1-D parameters. The paper says
# "LARS" and no more.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='LARS', lr=0.2, momentum=0.9, weight_decay=1.5e-6, trust_coefficient=1e-3),
)

param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, begin=0, end=10, by_epoch=True, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', eta_min=0, begin=10, end=max_epochs, by_epoch=True, convert_to_iter_based=True),
]

custom_hooks = [
    dict(type='TargetUpdateHook', tau_start=0.996),
    dict(type='CollapseMonitorHook'),
    dict(type='UnusableFramesHook'),
    dict(type='ExportEncoderHook'),
    dict(type='ReportHook'),
]
