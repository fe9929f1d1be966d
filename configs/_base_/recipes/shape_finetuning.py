"""How shapes are learned with labels: Adam, a cosine, one test at the end."""

_base_ = ['../pretrain_runtime.py']

max_epochs = 100
# mmengine validates after the last epoch whatever the interval, and so only then.
train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=10**9)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3, weight_decay=1e-4))
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0, begin=0, end=max_epochs, by_epoch=True, convert_to_iter_based=True),
]
