"""Sequences from plain folders of scans."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ..sequence_index import FrameSequence
from .scans import ScanLister, natural_key, require_folder


def folder_sequences(root: Path, lister: ScanLister) -> Iterator[FrameSequence]:
    """Make a sequence for each folder that holds scans: the root and its subfolders at any depth.

    Links to folders are followed, each target once.

    Args:
        root: The data's root.
        lister: How the key frames of a folder are listed.

    Yields:
        Sequences named after their folder's path below the root ('.' for the root itself), without poses or time
        stamps, in natural order.

    Raises:
        SequenceIndexError: If the root is not a folder, or a scan is truncated.
    """
    require_folder(root)
    seen = {os.path.realpath(root)}
    for folder, subfolders, _ in os.walk(root, followlinks=True):
        subfolders.sort(key=natural_key)
        # A link back to a parent would make the walk endless.
        subfolders[:] = [name for name in subfolders if os.path.realpath(f'{folder}/{name}') not in seen]
        seen.update(os.path.realpath(f'{folder}/{name}') for name in subfolders)
        names = lister.key_frames(Path(folder))
        if names:
            sequence_id = Path(folder).relative_to(root)
            yield FrameSequence(sequence_id.as_posix(), [(sequence_id / name).as_posix() for name in names])
