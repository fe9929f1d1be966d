"""Shapes in mesh files, such as ModelNet's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from ...readers.shape_mesh import is_mesh
from ..frame_order import natural_key
from ..linked_files import files_below
from .shape_table import ShapeTable

SPLITS = ('train', 'test', 'val')
MAX_NAMES = 3  # files that a reason names


def mesh_tables(root: Path, missing: list[Path]) -> Iterator[ShapeTable]:
    """List the OFF, OBJ and PLY files below the root, at any depth, in natural order, without opening them.

    The folders give the classes, in alphabetic order, and the splits, if all files lie in one of these ways::

        CLASS/NAME.obj
        CLASS/SPLIT/NAME.off (as in ModelNet) or SPLIT/CLASS/NAME.off, where SPLIT is train, test or val
        CLASS/MODEL/**/NAME.obj, with one file for each model, as in ShapeNet

    Otherwise the table says why its shapes have no labels.

    Args:
        root: The data's root.
        missing: Gets the meshes behind dead links.

    Yields:
        One table, if there are meshes.
    """
    files, dead = files_below(root, is_mesh)
    missing += dead
    paths = sorted((file.relative_to(root).as_posix() for file in files), key=natural_key)
    if not paths:
        return
    parts = [PurePosixPath(path).parts for path in paths]
    found = _classes_and_splits(parts)
    if isinstance(found, str):
        yield ShapeTable(str(root), paths, why_unlabelled=found)
        return
    classes, labels = np.unique(found[0], return_inverse=True)
    yield ShapeTable(str(root), paths, labels, classes.tolist(), None if found[1] is None else np.array(found[1]))


def _classes_and_splits(parts: list[tuple[str, ...]]) -> tuple[list[str], list[str] | None] | str:
    """Return the class and, if there are splits, the split of each file; or why the classes are not known.

    Args:
        parts: For each file the folders below the root, and its name.
    """
    if all(len(part) == 3 and part[1] in SPLITS for part in parts):
        return [part[0] for part in parts], [part[1] for part in parts]
    if all(len(part) == 3 and part[0] in SPLITS for part in parts):
        return [part[1] for part in parts], [part[0] for part in parts]
    in_root = [part[0] for part in parts if len(part) == 1]
    if in_root:
        return f'{len(in_root)} meshes lie in the root itself, such as {in_root[0]}, and not in the folder of a class'
    kinds = {part[0] for part in parts}
    splits = sorted(kinds & set(SPLITS))
    if splits:
        return f'the folders {", ".join(splits)} are splits, but what is in them is not CLASS/NAME'
    if len(kinds) == 1:
        return f'all meshes lie in one folder, {next(iter(kinds))}, so there are no classes to tell apart'
    if all(len(part) == 2 for part in parts):
        return [part[0] for part in parts], None
    models = Counter(part[:2] for part in parts)  # a file of CLASS/NAME is its own model
    several = [model for model, number in models.items() if number > 1]
    if several:
        named = ', '.join('/'.join(model) for model in several[:MAX_NAMES])
        return (
            f'folders below those of the classes hold several meshes, such as {named}, so they may be classes '
            'themselves. Have CLASS/NAME, or one mesh for each CLASS/MODEL'
        )
    return [part[0] for part in parts], None
