"""What happens around the training step: loop, ranks, target update, optimizers, safe checkpoints, export, freezing."""

from . import checkpoint_safety, distributed, hooks, optimizers, pickle_safety, pretrain_loop
from .export import ExportError, export_encoder, verify_export

__all__ = [
    'ExportError',
    'checkpoint_safety',
    'distributed',
    'export_encoder',
    'hooks',
    'optimizers',
    'pickle_safety',
    'pretrain_loop',
    'verify_export',
]
