"""What every pre-training shares: the plug-in, logging, checkpoints."""

default_scope = 'mmdet3d'
custom_imports = dict(imports=['strl_mmdet3d'], allow_failed_imports=False)

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=10),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='WholeCheckpointHook', interval=1, max_keep_ckpts=3),
    sampler_seed=dict(type='DistSamplerSeedHook'),
)
# With ranks, BatchNorm takes the statistics of each rank's own pairs; sync_bn='torch' those of all, on GPUs.
model_wrapper_cfg = dict(type='STRLDistributedDataParallel')
sync_bn = None
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
# Means over this many iterations are logged; a run without labels is judged by short-term trends.
log_processor = dict(type='LogProcessor', window_size=10, by_epoch=True)
visualizer = dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')])
randomness = dict(seed=0)
log_level = 'INFO'
load_from = None
resume = False
