"""Exports the pre-trained encoder under the detector's names, and proves that it was loaded there."""

from .checkpoint_file import check_out, plain_checkpoint, read_checkpoint, save_exported
from .export_error import ExportError
from .exported_encoder import PREFIX, export_encoder
from .proof import LoadReport, compare_loaded, compare_settings, read_exported, verify_export
from .provenance import META_KEY, check_exported
from .trunk_record import RECORD_KEY, detector_in, pretrained_detector, trunk_record
from .untrained_parts import UNTRAINED_KEY, is_part_of, parts_with_sizes, recorded_untrained, untrained_parts
