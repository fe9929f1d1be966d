"""Synthetic shapes in ``.npz`` archives: each shape is a sequence of one frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..sequence_index import FrameSequence, SequenceIndexError
from ..transforms.load_shape import find_shapes, read_array, shape_path
from ..transforms.loading import CorruptFrameError
from .scans import natural_key, require_folder


@dataclass
class ShapeLister:
    """Lists the shapes of an archive.

    Attributes:
        split: Keep only the shapes that the archive's array ``split`` has this word for; None keeps all.
    """

    split: str | None = None

    def rows(self, archive: Path) -> list[int]:
        """List the rows of an archive to keep.

        Args:
            archive: An ``.npz`` with one floating-point array (N, P, 3), or one called ``points``, and, where a split
                is asked for, an array ``split`` (N,) of words.

        Returns:
            Rows in [0, N), ascending. Empty if none is of the split.

        Raises:
            SequenceIndexError: If the archive is not as described.
        """
        try:
            _, num_shapes = find_shapes(str(archive))
            if self.split is None:
                return list(range(num_shapes))
            splits = read_array(str(archive), 'split')
        except CorruptFrameError as error:
            raise SequenceIndexError(str(error)) from error
        except KeyError:
            raise SequenceIndexError(
                f"{archive} has no array 'split', which --split {self.split} looks for. Leave --split out"
            ) from None
        if splits.shape != (num_shapes,):
            raise SequenceIndexError(
                f"{archive}: its array 'split' is of shape {splits.shape}, and ({num_shapes},) is expected: a word for "
                'each shape. Leave --split out, or restore the file'
            )
        return np.flatnonzero(splits == self.split).tolist()


def shape_sequences(root: Path, lister: ShapeLister) -> Iterator[FrameSequence]:
    """Take each shape of each ``.npz`` below the root, at any depth, as a sequence of one frame.

    The archives are ShapeNet's ``shapenet57448xyzonly.npz``, with one array (57448, 2048, 3), or labelled ones, with
    ``points`` (N, P, 3) and, optionally, ``split`` (N,) and more. Only the headers of the points are read here.

    Args:
        root: The data's root.
        lister: How the shapes of an archive are listed.

    Yields:
        Sequences named as their frame, ``ARCHIVE.npz/ROW`` (which ``LoadShape`` reads), archives in natural order.

    Raises:
        SequenceIndexError: If the root is no folder, an archive is not as described, or none has shapes of the split.
    """
    require_folder(root)
    archives = [path for path in root.rglob('*.npz') if path.is_file() and not path.name.startswith('.')]
    num_listed = 0
    for archive in sorted(archives, key=lambda path: natural_key(path.relative_to(root).as_posix())):
        rows = lister.rows(archive)
        num_listed += len(rows)
        for row in rows:
            path = shape_path(archive.relative_to(root).as_posix(), row)
            yield FrameSequence(path, [path])
    if archives and not num_listed:
        raise SequenceIndexError(f'none of the shapes below {root} is of the split {lister.split!r}. Check --split')
