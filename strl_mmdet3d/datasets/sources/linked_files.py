"""Folders and files below a root, through links, and the links that point nowhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from .frame_order import natural_key

MISSING = 'missing, behind a dead link'


def folders_below(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Go through a root and the folders below it at any depth, in natural order; links are followed, each target once.

    Yields:
        The folder, and the names of what lies in it and is no folder, in no order.
    """
    seen = {os.path.realpath(root)}
    for folder, subfolders, names in os.walk(root, followlinks=True):
        subfolders.sort(key=natural_key)
        # A link back to a parent would make the walk endless.
        subfolders[:] = [name for name in subfolders if os.path.realpath(f'{folder}/{name}') not in seen]
        seen.update(os.path.realpath(f'{folder}/{name}') for name in subfolders)
        yield Path(folder), names


def files_below(root: Path, is_wanted: Callable[[str], bool]) -> tuple[list[Path], list[Path]]:
    """List the files in the folders of :func:`folders_below`.

    Args:
        root: The root.
        is_wanted: Whether a file is wanted, by its name. Names with a leading dot never are: macOS leaves '._NAME' on
            foreign disks.

    Returns:
        The files, and the wanted names that are links to nothing.
    """
    files: list[Path] = []
    dead: list[Path] = []
    for folder, names in folders_below(root):
        for name in names:
            if is_wanted(name) and not name.startswith('.'):
                path = folder / name
                (files if path.is_file() else dead).append(path)
    return files, dead
