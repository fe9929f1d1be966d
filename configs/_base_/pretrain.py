"""What every pre-training shares: the loop, which resumes exactly, and the hooks, each of which can be changed by name."""

_base_ = ['./runtime.py']

# The length of the run; the learning rate and tau follow it.
train_cfg = dict(type='PretrainLoop', max_epochs=100)

# Several ranks do not stop on parts of a trunk that no gradient reaches.
model_wrapper_cfg = dict(find_unused_parameters=True)

default_hooks = dict(
    target=dict(type='TargetUpdateHook', tau_start=0.996),
    collapse=dict(type='CollapseMonitorHook'),
    weights_moved=dict(type='WeightsMovedHook'),
    untrained_parts=dict(type='UntrainedPartsHook'),
    unusable_frames=dict(type='UnusableFramesHook'),
    export=dict(type='ExportEncoderHook'),
    report=dict(type='ReportHook'),
)
