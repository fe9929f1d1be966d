"""Hooks: the target update, checkpoints, the export at the end of a run, checked loads, unusable frames, freezing."""

from .checkpoint_hook import WholeCheckpointHook
from .export_hook import ExportEncoderHook
from .freeze_hook import FreezeHook
from .target_update_hook import TargetUpdateHook
from .unusable_frames_hook import UnusableFramesError, UnusableFramesHook
from .verify_load_hook import VerifyLoadHook

__all__ = [
    'ExportEncoderHook',
    'FreezeHook',
    'TargetUpdateHook',
    'UnusableFramesError',
    'UnusableFramesHook',
    'VerifyLoadHook',
    'WholeCheckpointHook',
]
