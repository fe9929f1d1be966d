"""The list of the files that a folder must hold, by which a later run sees whether all are still there."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any


def list_files(folder: Path) -> dict[str, int]:
    """List all files below a folder: their path from there, with slashes, -> their size in bytes."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size for path in sorted(folder.rglob('*')) if path.is_file()
    }


def is_file_list(value: Any) -> bool:
    """Return whether a value from a file is a list of `list_files` that names no file outside of its folder."""
    return isinstance(value, dict) and all(
        isinstance(name, str)
        and type(size) is int
        and size >= 0
        and not PurePosixPath(name).is_absolute()
        and '..' not in PurePosixPath(name).parts
        for name, size in value.items()
    )


def what_is_lost(folder: Path, files: dict[str, int]) -> str:
    """Say which of the listed files are missing or have another size.

    Args:
        folder: The folder.
        files: What `list_files` found when it was whole.

    Returns:
        How many, and the first of them; empty if all are there.
    """
    lost = []
    for name, size in files.items():
        path = folder / name
        if not path.is_file():
            lost.append(f'{name} is missing')
        elif path.stat().st_size != size:
            lost.append(f'{name} has {path.stat().st_size} bytes instead of {size}')
    if not lost:
        return ''
    return f'{len(lost)} of {len(files)} files are missing or have another size; the first: {lost[0]}'


def further_files(folder: Path, files: dict[str, int]) -> list[str]:
    """Return the files below a folder that are not on the list, such as an index that another tool has added."""
    return [name for name in list_files(folder) if name not in files]
