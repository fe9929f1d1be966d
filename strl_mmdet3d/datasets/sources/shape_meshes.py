"""Shapes in mesh files, such as ModelNet's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from ..readers.shape_mesh import is_mesh
from .scans import natural_key
from .shape_table import ShapeTable

SPLITS = ('train', 'test')


def mesh_tables(root: Path) -> Iterator[ShapeTable]:
    """List the OFF, OBJ and PLY files below the root, at any depth, in natural order, without opening them.

    If all of them lie as in ModelNet, ``CLASS/train/NAME.off`` and ``CLASS/test/NAME.off``, the folders give the
    classes, in alphabetic order, and the splits.

    Yields:
        One table, if there are meshes.
    """
    # macOS leaves '._NAME' on foreign disks, and in ModelNet's own archives.
    files = [path for path in root.rglob('*') if is_mesh(path.name) and not path.name.startswith('.')]
    paths = sorted((file.relative_to(root).as_posix() for file in files if file.is_file()), key=natural_key)
    if not paths:
        return
    parts = [PurePosixPath(path).parts for path in paths]
    if not all(len(part) == 3 and part[1] in SPLITS for part in parts):
        yield ShapeTable(str(root), paths)
        return
    classes, labels = np.unique([kind for kind, _, _ in parts], return_inverse=True)
    splits = np.array([split for _, split, _ in parts])
    yield ShapeTable(str(root), paths, labels, classes.tolist(), splits)
