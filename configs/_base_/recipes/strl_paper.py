"""The paper's recipe (Huang et al., ICCV 2021): its views, LARS with warm-up and cosine, its target update."""

_base_ = ['../augmentations/strl_paper.py', '../pretrain.py']

# BYOL's LARS: rate 0.2, layer-wise trust 0.001, weight decay 1.5e-6, neither of them for 1-D parameters. The paper says
# "LARS" and no more.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='LARS', lr=0.2, momentum=0.9, weight_decay=1.5e-6, trust_coefficient=1e-3),
)
# 10 warm-up epochs, or half of a shorter run, and then a cosine to the end of the run.
param_scheduler = [
    dict(type='WarmupLR', warmup=10, start_factor=1e-3, by_epoch=True, convert_to_iter_based=True),
    dict(type='CosineAfterWarmupLR', warmup=10, eta_min=0, by_epoch=True, convert_to_iter_based=True),
]
