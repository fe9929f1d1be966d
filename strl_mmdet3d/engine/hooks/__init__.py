"""Hooks say *when* something happens in a run; what happens is in the other rooms."""

from .checkpoint_hook import WholeCheckpointHook
from .collapse_monitor_hook import CollapseError, CollapseMonitorHook
from .export_encoder_hook import ExportEncoderHook
from .finite_weights_hook import FiniteWeightsHook
from .freeze_hook import FreezeHook
from .online_probe_hook import OnlineProbeHook
from .report_hook import ReportHook
from .retrieval_probe_hook import RetrievalProbeHook
from .safe_loading_hook import SafeLoadingHook
from .same_run_hook import SameRunHook
from .stop_signal_hook import StoppedError, StopSignalHook
from .target_update_hook import TargetUpdateHook
from .untrained_parts_hook import UntrainedPartsHook
from .unusable_frames_hook import UnusableFramesError, UnusableFramesHook
from .verify_load_hook import VerifyLoadHook
from .weights_moved_hook import WeightsMovedHook
