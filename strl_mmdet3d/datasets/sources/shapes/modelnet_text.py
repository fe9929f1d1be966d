"""ModelNet40 in the layout of ``modelnet40_normal_resampled``: a text file for each shape."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...readers.text_list import read_list
from ...sequence_index import SequenceIndexError
from .shape_table import ShapeTable

SHAPE_NAMES = 'modelnet40_shape_names.txt'


def modelnet_text_tables(root: Path) -> Iterator[ShapeTable]:
    """List the shapes of ``modelnet40_train.txt`` and ``modelnet40_test.txt``.

    The lists name shapes, such as ``night_stand_0001``, whose points are in ``night_stand/night_stand_0001.txt``.

    Yields:
        A table for each list.

    Raises:
        SequenceIndexError: If a list is missing, or names a shape of an unknown class or without a file.
    """
    classes = read_list(root / SHAPE_NAMES)
    numbers = {name: number for number, name in enumerate(classes)}
    for split in ('train', 'test'):
        source = root / f'modelnet40_{split}.txt'
        paths, labels = [], []
        for name in read_list(source):
            kind = name.rpartition('_')[0]
            if kind not in numbers:
                raise SequenceIndexError(
                    f'{source} lists {name!r}, whose class {kind!r} is not in {SHAPE_NAMES}. Restore the files'
                )
            path = f'{kind}/{name}.txt'
            if not (root / path).is_file():
                raise SequenceIndexError(f'{source} lists {name!r}, but {root / path} is missing. Restore it')
            paths.append(path)
            labels.append(numbers[kind])
        yield ShapeTable(str(source), paths, np.array(labels), classes, np.full(len(paths), split))
