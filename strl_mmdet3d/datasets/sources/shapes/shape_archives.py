"""Shapes in ``.npz`` archives: ShapeNet's, and plain labelled ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...frame_table import INDEX_TABLE
from ...readers.frame_file import CorruptFrameError
from ...readers.shape_archive import shape_path
from ...readers.shape_npz import find_shapes, read_array
from ...sequence_index import SequenceIndexError
from ..frame_order import natural_key
from ..linked_files import files_below
from .shape_table import ShapeTable


def archive_tables(root: Path, with_labels: bool, with_splits: bool, missing: list[Path]) -> Iterator[ShapeTable]:
    """List the shapes of each ``.npz`` below the root, at any depth, archives in natural order.

    The archives are ShapeNet's ``shapenet57448xyzonly.npz``, with one array (57448, 2048, 3), or labelled ones, with
    ``points`` (N, P, 3) and, optionally, ``label`` (N,) of integers, ``classes`` (C,) of words and ``split`` (N,) of
    words. Only the headers of the points are read here.

    Args:
        root: The data's root.
        with_labels: Whether to read the labels and classes; otherwise they are ignored.
        with_splits: Whether to read the split.
        missing: Gets the archives behind dead links.

    Yields:
        A table for each archive; the paths are ``ARCHIVE.npz/ROW``.

    Raises:
        SequenceIndexError: If an archive is not as described.
    """
    archives, dead = files_below(root, lambda name: name.endswith('.npz') and not name.endswith(INDEX_TABLE))
    missing += dead
    for archive in sorted(archives, key=lambda path: natural_key(path.relative_to(root).as_posix())):
        wanted = {'label': with_labels, 'classes': with_labels, 'split': with_splits}
        try:
            _, num_shapes = find_shapes(str(archive))
            labels, classes, splits = (_read_optional(archive, name) if wanted[name] else None for name in wanted)
        except CorruptFrameError as error:
            raise SequenceIndexError(str(error)) from error
        name = archive.relative_to(root).as_posix()
        paths = [shape_path(name, row) for row in range(num_shapes)]
        names = (
            None if labels is None or classes is None else np.atleast_1d(_words(archive, 'classes', classes)).tolist()
        )
        splits = None if splits is None else _words(archive, 'split', splits)
        yield ShapeTable(str(archive), paths, labels, names, splits)


def _read_optional(archive: Path, name: str) -> np.ndarray | None:
    """Decode an array of an archive; None if the archive does not have it."""
    try:
        return read_array(str(archive), name)
    except KeyError:
        return None


def _words(archive: Path, name: str, array: np.ndarray) -> np.ndarray:
    """Return an array's words as str, even if they are stored as bytes, or raise a SequenceIndexError."""
    try:
        if array.dtype.kind not in 'US' or array.ndim > 1:
            raise ValueError(f'it is {array.dtype} {array.shape}')
        return array.astype(str)
    except ValueError as error:
        raise SequenceIndexError(
            f'{archive}: its array {name!r} is not a list of words ({error}). Restore the file'
        ) from error
