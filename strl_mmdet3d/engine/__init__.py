"""What happens around the training step: target update, optimizers, safe checkpoints, export, freezing."""

from . import checkpoint_safety, hooks, optimizers
from .export import ExportError, export_encoder, verify_export

__all__ = ['ExportError', 'checkpoint_safety', 'export_encoder', 'hooks', 'optimizers', 'verify_export']
