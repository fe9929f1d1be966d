"""Decoding LAS files and the compressed LAZ files."""

from __future__ import annotations

import io

import numpy as np

from ...extras import extra
from .decoded_size import check_decoded_size
from .scan_table import ScanTable, table_of_fields

MARK = b'LASF'
MIN_HEADER_BYTES = 227
RECORD_BYTES = 54  # of the header of a record beside the points
# Kept beside x, y and z. The flags and classes of a survey describe no shape.
KEPT = ('intensity', 'return_number', 'number_of_returns', 'gps_time', 'red', 'green', 'blue')


def decode_las(content: bytes) -> ScanTable:
    """Decode a LAS or LAZ file with laspy: coordinates in metres, by the file's scale and offset.

    Raises:
        ValueError: If the file is damaged, or announces more than it can hold.
        MissingExtraError: If laspy or lazrs is not installed.
    """
    if len(content) < MIN_HEADER_BYTES:
        raise ValueError('it ends within its header')
    num_records = int.from_bytes(content[100:104], 'little')
    if num_records * RECORD_BYTES > len(content):
        raise ValueError(f'{num_records} records announced in {len(content)} bytes')
    if content[24:26] == b'\1\4':  # LAS 1.4 may have further records behind the points
        num_records = int.from_bytes(content[243:247], 'little')
        if num_records * RECORD_BYTES > len(content):
            raise ValueError(f'{num_records} records announced in {len(content)} bytes')
    with extra('formats'):
        import laspy
        import lazrs
    try:
        with laspy.open(io.BytesIO(content), read_evlrs=False) as file:
            header = file.header
            check_decoded_size([header.point_count], header.point_format.size, len(content))
            points = file.read()
    except (laspy.LaspyException, lazrs.LazrsError, OverflowError, UnicodeDecodeError, KeyError) as error:
        raise ValueError(f'laspy says: {error!r:.200}') from error
    if len(points) != header.point_count:
        raise ValueError(f'{header.point_count} points announced, {len(points)} found')
    names = set(points.point_format.dimension_names)
    fields = {axis: np.asarray(points[axis], np.float64) for axis in 'xyz'}
    fields |= {name: np.asarray(points[name]) for name in KEPT if name in names}
    fields |= {name: np.asarray(points[name]) for name in points.point_format.extra_dimension_names}
    return table_of_fields(fields)
