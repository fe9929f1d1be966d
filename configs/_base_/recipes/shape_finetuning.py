"""How shapes are learned with labels: Adam, a cosine, one test at the end."""

_base_ = ['../runtime.py']

# mmengine validates after the last epoch whatever the interval, and so only then.
train_cfg = dict(by_epoch=True, max_epochs=100, val_interval=10**9)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3, weight_decay=1e-4))
param_scheduler = [dict(type='CosineAnnealingLR', eta_min=0, by_epoch=True, convert_to_iter_based=True)]
