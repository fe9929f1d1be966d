"""The recipe of the authors' released code, where it differs from the paper: see `strl_paper.py` for how to use it.

Adam at 1e-3 (inside a LARS wrapper that does nothing at that rate), no warm-up; the target follows before the step, with
its BatchNorm statistics; pairs are neighbouring frames (`selection='neighbour'` of TemporalPairDataset).
"""

_base_ = ['../augmentations/strl_released.py']

max_epochs = 100
train_cfg = dict(type='PretrainLoop', max_epochs=max_epochs)

optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3))

param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0, begin=0, end=max_epochs, by_epoch=True, convert_to_iter_based=True),
]

custom_hooks = [
    dict(type='TargetUpdateHook', tau_start=0.996, when='before_step', buffers=True),
    dict(type='CollapseMonitorHook'),
    dict(type='UnusableFramesHook'),
    dict(type='ExportEncoderHook'),
    dict(type='ReportHook'),
]
