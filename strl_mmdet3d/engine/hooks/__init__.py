"""Hooks: the target update, the export at the end of a run, checked loads, freezing."""

from .export_hook import ExportEncoderHook
from .freeze_hook import FreezeHook
from .target_update_hook import TargetUpdateHook
from .verify_load_hook import VerifyLoadHook

__all__ = ['ExportEncoderHook', 'FreezeHook', 'TargetUpdateHook', 'VerifyLoadHook']
