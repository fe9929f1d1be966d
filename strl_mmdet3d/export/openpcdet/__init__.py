"""Exported encoders under OpenPCDet's names, and OpenPCDet's checkpoints as exported encoders."""

from .checkpoint import read_openpcdet
from .conversion import from_openpcdet, to_openpcdet
from .layouts import LAYOUTS
from .names import DETECTORS
from .report import OpenPCDetReport
