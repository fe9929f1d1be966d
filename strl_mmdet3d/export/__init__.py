"""Exports the pre-trained encoder under the detector's names, and proves that it was loaded there."""

from .checkpoint_file import META_KEY, ExportError, read_checkpoint, save_exported
from .exported_encoder import export_encoder
from .proof import LoadReport, compare_loaded, verify_export
