"""What every run shares: the plug-in, logging, checkpoints."""

default_scope = 'mmdet3d'
custom_imports = dict(imports=['strl_mmdet3d'], allow_failed_imports=False)

# Each hook has a name, by which a child config or --cfg-options changes it: default_hooks.checkpoint.interval=5.
default_hooks = dict(
    safe_loading=dict(type='SafeLoadingHook'),
    same_run=dict(type='SameRunHook'),
    finite_weights=dict(type='FiniteWeightsHook'),
    stop_signal=dict(type='StopSignalHook'),
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=10),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='WholeCheckpointHook', interval=1, max_keep_ckpts=3),
    sampler_seed=dict(type='DistSamplerSeedHook'),
)
# On several ranks BatchNorm takes the statistics of each rank's own pairs; sync_bn='torch' of all, on GPUs.
model_wrapper_cfg = dict(type='STRLDistributedDataParallel')
sync_bn = None
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
# Logs show the mean of this many iterations; a run without labels is judged by short-term trends.
log_processor = dict(type='LogProcessor', window_size=10, by_epoch=True)
visualizer = dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')])
randomness = dict(seed=0)
log_level = 'INFO'
load_from = None
resume = False
