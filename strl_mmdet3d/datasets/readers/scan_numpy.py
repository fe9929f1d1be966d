"""Decoding scans that NumPy saved: an array, or an archive of arrays. Nothing is ever unpickled."""

from __future__ import annotations

import io
import math
import zipfile

import numpy as np
from numpy.lib import format as npy_format

from .decoded_size import check_decoded_size
from .npy_header import read_npy_header
from .scan_table import ScanTable, table_of_array, table_of_fields

NPY_MARK = b'\x93NUMPY'
ZIP_MARKS = (b'PK\3\4', b'PK\5\6')
MATRICES = ((3, 3), (3, 4), (4, 4))  # the shapes of poses and calibrations
POINTS_ARRAYS = ('points', 'pointcloud', 'point_cloud', 'pts', 'pc', 'scan', 'data', 'arr_0')


def decode_npy(content: bytes) -> ScanTable:
    """Decode an ``.npy`` file.

    Raises:
        ValueError: If it is damaged, or does not hold the points of a scan.
    """
    with io.BytesIO(content) as file:
        shape, _, dtype = read_npy_header(file)
        left = len(content) - file.tell()
    if math.prod(shape) * dtype.itemsize > left and not dtype.hasobject:
        raise ValueError(f'an array {shape} of {dtype} announced in {left} bytes')
    return table_of_array(npy_format.read_array(io.BytesIO(content), allow_pickle=False))


def decode_npz(content: bytes) -> ScanTable:
    """Decode an ``.npz`` archive: one array of points, or arrays x, y, z and so on, of one length.

    Raises:
        ValueError: If it is another zip archive, damaged, or does not hold the points of a scan.
    """
    arrays: dict[str, np.ndarray] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as members:
            infos = {info.filename.removesuffix('.npy'): info for info in members.infolist()}
            others = [info.filename for info in infos.values() if not info.filename.endswith('.npy')]
            if others or not infos:
                raise ValueError(
                    f'it is a zip archive with {others[0][:60]!r} in it. Extract it' if others else 'empty'
                )
            shapes = {name: _shape_of(members, info) for name, info in infos.items()}
            for name in _chosen(shapes):
                shape, dtype = shapes[name]
                check_decoded_size(shape, dtype.itemsize, len(content))
                with members.open(infos[name]) as file:
                    arrays[name] = npy_format.read_array(file, allow_pickle=False)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise ValueError(f'it is a damaged archive ({error!r:.200})') from error
    except zipfile.zlib.error as error:  # type: ignore[attr-defined]
        raise ValueError(f'it is a damaged archive ({error!r:.200})') from error
    if len(arrays) == 1:
        return table_of_array(next(iter(arrays.values())))
    return table_of_fields(arrays)


def _shape_of(members: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[tuple[int, ...], np.dtype]:
    """Read the header of an array. The methods that NumPy does not use can shrink a bomb a thousand times more."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f'{info.filename[:60]!r} is compressed by method {info.compress_type}')
    with members.open(info) as file:
        shape, _, dtype = read_npy_header(file)
    return shape, dtype


def _chosen(shapes: dict[str, tuple[tuple[int, ...], np.dtype]]) -> list[str]:
    """Return the names of the arrays that hold the points."""
    tables = [name for name, (shape, dtype) in shapes.items() if dtype.names or (len(shape) > 1 and shape[-1] > 2)]
    for name in POINTS_ARRAYS:
        if name in tables:
            return [name]
    columns = [name for name, (shape, dtype) in shapes.items() if len(shape) == 1 and dtype.kind in 'fiu']
    tables = [name for name in tables if tuple(shapes[name][0]) not in MATRICES]
    if {'x', 'y', 'z'} <= {name.lower() for name in columns}:
        length = next(shapes[name][0] for name in columns if name.lower() == 'x')
        if not tables or length != (1,):  # of which one is the place of the sensor, beside the points
            return [name for name in columns if shapes[name][0] == length]
    if len(tables) == 1:
        return tables
    held = ', '.join(f'{name[:40]} {dtype} {shape}' for name, (shape, dtype) in list(shapes.items())[:9])
    raise ValueError(f"no array 'points' (N, C), nor one array alone of that shape, nor x, y and z; it holds {held}")
