"""The recipe of the authors' released code, where it differs from the paper (`strl_paper.py`).

Adam at 1e-3 (inside a LARS wrapper that does nothing at that rate), no warm-up; the target follows before the step, with
its BatchNorm statistics; pairs are neighbouring frames (`selection='neighbour'` of TemporalPairDataset).
"""

_base_ = ['../augmentations/strl_released.py', '../pretrain.py']

optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3))
param_scheduler = [dict(type='CosineAnnealingLR', eta_min=0, by_epoch=True, convert_to_iter_based=True)]
default_hooks = dict(target=dict(when='before_step', buffers=True))
