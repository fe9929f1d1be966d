"""STRL for some thousand clouds and a CPU: what gained most in docs/small_data.md.

Against the paper's recipe: AdamW, whose rate needs no large batch; a projector that is normalised, so that what all
clouds have in common does not count as agreement; weaker views, because the few clouds' details are all there is to
learn from; and small local views, from each of which both views are predicted. A config sets the numbers of points, and
takes `small_views` for its views and `local_views` for the local ones.
"""

_base_ = ['../pretrain.py']

# The paper's ranges for rotation, translation and scaling, no crop or cutout, a smaller jitter; shapes are in the unit
# sphere.
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

train_cfg = dict(max_epochs=110)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=2e-3, weight_decay=1e-4))
param_scheduler = [
    dict(type='WarmupLR', warmup=11, start_factor=1e-3, by_epoch=True, convert_to_iter_based=True),
    dict(type='CosineAfterWarmupLR', warmup=11, eta_min=0, by_epoch=True, convert_to_iter_based=True),
]
