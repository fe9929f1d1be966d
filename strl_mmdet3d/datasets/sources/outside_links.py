"""Frames that lie outside of the data's root, behind symbolic links."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ..readers.file_of_frame import file_of_frame


class OutsideFrames(NamedTuple):
    """Frames that lie outside.

    Attributes:
        number: How many there are.
        first: The path of the first one in the index.
        target: Where it really lies.
    """

    number: int
    first: str
    target: str


def find_outside_frames(root: Path, frames: Iterable[str]) -> OutsideFrames | None:
    """Look for frames that links below the root lead out of it. The root may itself be a link.

    A folder's entries are listed once, which also says which of them are links. So a frame that is not a link costs no
    look at the disk.

    Args:
        root: The data's root.
        frames: Paths relative to it, as in a sequence index.

    Returns:
        The frames outside; None if there are none.
    """
    inside = os.path.realpath(root)
    folders: dict[str, tuple[str, set[str]]] = {}
    number, first = 0, None
    for frame in frames:
        folder, _, name = file_of_frame(frame).rpartition('/')
        if folder not in folders:
            path = os.path.realpath(os.path.join(inside, folder))  # noqa: PTH118 - as the rest of this loop, for speed
            with os.scandir(path) as entries:
                folders[folder] = path, {entry.name for entry in entries if entry.is_symlink()}
        path, links = folders[folder]
        target = os.path.realpath(f'{path}/{name}') if name in links else path
        if target != inside and not target.startswith(f'{inside.rstrip("/")}/'):
            number += 1
            first = first or (frame, os.path.realpath(f'{path}/{name}'))
    return first and OutsideFrames(number, *first)
