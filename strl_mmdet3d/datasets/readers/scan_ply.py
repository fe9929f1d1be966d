"""Decoding the points of PLY files."""

from __future__ import annotations

import io

import numpy as np
from plyfile import PlyData, PlyParseError

from .ply_file import parse_header
from .scan_table import ScanTable, table_of_fields
from .text_lines import filled_lines

MARK = b'ply'


def decode_ply(content: bytes) -> ScanTable:
    """Decode a PLY file's vertices with plyfile, after its header has been compared with its size.

    Raises:
        ValueError: If it is damaged, announces more rows than it can hold, or has no vertices.
    """
    header, end, body = content.partition(b'end_header')
    if not end:
        raise ValueError("it has no 'end_header'")
    _, elements = parse_header(filled_lines(header))
    vertices = next((element for element in elements if element.name == 'vertex'), None)
    if vertices is None:
        raise ValueError("it has no element 'vertex'")
    for element in elements:  # a value has at least one byte, in text too
        smallest = sum(1 if one.length_kind else int(one.kind[1]) for one in element.properties)
        if element.num_rows * (smallest if content[:64].find(b'ascii') < 0 else 1) > len(body):
            raise ValueError(f'{element.num_rows} rows of {element.name[:60]} announced in {len(body)} bytes')
    try:
        rows = PlyData.read(io.BytesIO(content))['vertex'].data
    except (PlyParseError, OverflowError, UnicodeDecodeError, KeyError, StopIteration) as error:
        raise ValueError(f'plyfile says: {error!s:.200}') from error
    names = [one.name for one in vertices.properties if not one.length_kind]
    return table_of_fields({name: np.asarray(rows[name]) for name in names})
