"""Hooks: target update, checkpoints, monitor, probes, unusable frames, export, report, loads, freezing, memory."""

from .channels_last_hook import ChannelsLastHook
from .checkpoint_hook import WholeCheckpointHook
from .collapse_monitor_hook import CollapseError, CollapseMonitorHook
from .export_hook import ExportEncoderHook
from .freeze_hook import FreezeHook
from .online_probe_hook import OnlineProbeHook
from .report_hook import ReportHook
from .retrieval_probe_hook import RetrievalProbeHook
from .target_update_hook import TargetUpdateHook
from .unusable_frames_hook import UnusableFramesError, UnusableFramesHook
from .verify_load_hook import VerifyLoadHook

__all__ = [
    'ChannelsLastHook',
    'CollapseError',
    'CollapseMonitorHook',
    'ExportEncoderHook',
    'FreezeHook',
    'OnlineProbeHook',
    'ReportHook',
    'RetrievalProbeHook',
    'TargetUpdateHook',
    'UnusableFramesError',
    'UnusableFramesHook',
    'VerifyLoadHook',
    'WholeCheckpointHook',
]
