"""The file that holds a frame: a shape may be a row of an archive, and a depth image a part of a recording."""

from __future__ import annotations

from .sens_file import split_sens_path
from .shape_archive import split_shape_path


def file_of_frame(path: str) -> str:
    """Return the path of the file that a frame's path names or lies in."""
    part = split_shape_path(path) or split_sens_path(path)
    return part[0] if part else path
