"""ModelNet40 in the layout of ``modelnet40_ply_hdf5_2048``: a few HDF5 files with up to 2048 shapes each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from ...readers.frame_file import CorruptFrameError
from ...readers.shape_archive import shape_path
from ...readers.shape_hdf5 import read_hdf5, read_hdf5_arrays
from ...readers.text_list import read_list
from ...sequence_index import SequenceIndexError
from .shape_table import ShapeTable

SPLITS = ('train', 'test')
FILE_LIST = '_files.txt'  # after the split's name


def modelnet_hdf5_tables(root: Path) -> Iterator[ShapeTable]:
    """List the shapes of the files that ``train_files.txt`` and ``test_files.txt`` name.

    The lists name paths such as ``data/modelnet40_ply_hdf5_2048/ply_data_train0.h5``. Only the file name in a path is
    used: the files lie in the root. A file holds ``data`` (N, 2048, 3) and ``label`` (N, 1), the number of a line in
    ``shape_names.txt``, counted from 0.

    Yields:
        A table for each HDF5 file.

    Raises:
        SequenceIndexError: If a list or a file is missing, or a file is not as described.
        MissingExtraError: If h5py is not installed.
    """
    classes = read_list(root / 'shape_names.txt')
    for split in SPLITS:
        for line in read_list(root / f'{split}{FILE_LIST}'):
            name = PurePosixPath(line).name
            try:
                num_shapes = len(read_hdf5(str(root / name)))
                (labels,) = read_hdf5_arrays(str(root / name), 'label')
            except CorruptFrameError as error:
                raise SequenceIndexError(str(error)) from error
            labels = labels.squeeze(1) if labels.ndim == 2 and labels.shape[1] == 1 else labels
            paths = [shape_path(name, row) for row in range(num_shapes)]
            yield ShapeTable(str(root / name), paths, labels, classes, np.full(num_shapes, split))
