"""The folder that holds a data set."""

from __future__ import annotations

from pathlib import Path

from ..sequence_index import SequenceIndexError


def require_folder(root: Path) -> None:
    """Raise a SequenceIndexError unless the data's root is a folder."""
    if not root.is_dir():
        raise SequenceIndexError(f'{root} is not a folder. Set --root to where the data lies')
