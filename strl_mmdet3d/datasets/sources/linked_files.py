"""Files below a folder, through links, and the links that point nowhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def files_below(root: Path, is_wanted: Callable[[str], bool]) -> tuple[list[Path], list[Path]]:
    """List the files below a folder at any depth. Links to folders are followed, each target once.

    Args:
        root: The folder.
        is_wanted: Whether a file is wanted, by its name. Names with a leading dot never are: macOS leaves '._NAME' on
            foreign disks.

    Returns:
        The files, and the wanted names that are links to nothing, both in no order.
    """
    files: list[Path] = []
    dead: list[Path] = []
    seen = {os.path.realpath(root)}
    for folder, subfolders, names in os.walk(root, followlinks=True):
        # A link back to a parent would make the walk endless.
        subfolders[:] = [name for name in subfolders if os.path.realpath(f'{folder}/{name}') not in seen]
        seen.update(os.path.realpath(f'{folder}/{name}') for name in subfolders)
        for name in names:
            if is_wanted(name) and not name.startswith('.'):
                path = Path(folder, name)
                (files if path.is_file() else dead).append(path)
    return files, dead
