"""The error of this room."""

from __future__ import annotations

from ..errors import StrlError


class ExportError(StrlError, RuntimeError):
    """A file is not a whole STRL checkpoint or exported encoder, or an encoder does not fit the detector in full."""
