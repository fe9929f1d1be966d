"""Parsing PLY files, of text and binary, row by row as their headers announce them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .text_lines import filled_lines

TYPES = {
    **dict.fromkeys(('char', 'int8'), 'i1'),
    **dict.fromkeys(('uchar', 'uint8'), 'u1'),
    **dict.fromkeys(('short', 'int16'), 'i2'),
    **dict.fromkeys(('ushort', 'uint16'), 'u2'),
    **dict.fromkeys(('int', 'int32'), 'i4'),
    **dict.fromkeys(('uint', 'uint32'), 'u4'),
    **dict.fromkeys(('float', 'float32'), 'f4'),
    **dict.fromkeys(('double', 'float64'), 'f8'),
}
BYTE_ORDERS = {'ascii': '', 'binary_little_endian': '<', 'binary_big_endian': '>'}
CORNERS = ('vertex_indices', 'vertex_index')  # both names are in use
MAX_LENGTH = 100_000  # of a list; a face has a few corners, a strip of triangles some thousand
MAX_ROWS = 256  # parsed at once; in a mesh of triangles and squares, the lists change their length again and again
LENGTH = ' length'  # follows a list's name, in which there is no space

Columns = dict[str, list]
"""The values of each property; lists of values for a list."""


class Property(NamedTuple):
    """A property of an element: its name, its NumPy type, and for a list the type of its length, else ''."""

    name: str
    kind: str
    length_kind: str


class Element(NamedTuple):
    """An element: its name, how many rows it has, and the properties of a row."""

    name: str
    num_rows: int
    properties: list[Property]


def parse_ply(content: bytes) -> tuple[np.ndarray, list[list[int]]]:
    """Parse the vertices and the faces of a PLY file.

    Returns:
        Vertices (V, 3), float64, and the numbers of each face's corners; no faces if the file has none.

    Raises:
        ValueError: If the file is not a PLY, has fewer or more rows than its header announces, or has no vertices.
    """
    header, end, body = content.partition(b'end_header')
    if not end:
        raise ValueError("it has no 'end_header'")
    byte_order, elements = parse_header(filled_lines(header))
    properties = {(element.name, one.name): one for element in elements for one in element.properties}
    if any(('vertex', axis) not in properties or properties['vertex', axis].length_kind for axis in 'xyz'):
        raise ValueError('its vertices have no x, y, z')
    corners = next((name for name in CORNERS if ('face', name) in properties), None)
    if corners and (not properties['face', corners].length_kind or properties['face', corners].kind[0] == 'f'):
        raise ValueError('the corners of its faces are not lists of integers')
    table = _binary_columns(body, elements, byte_order) if byte_order else _text_columns(body, elements)
    vertices = np.array([table['vertex'][axis] for axis in 'xyz'], np.float64).T
    return vertices, table['face'][corners] if corners else []


def parse_header(lines: list[str]) -> tuple[str, list[Element]]:
    """Return the byte order, '' for text, and the elements."""
    byte_order, elements = None, list[Element]()
    try:
        for number, line in enumerate(lines):
            match line.split():
                case ['ply'] if number == 0:
                    pass
                case ['format', name, _] if number:
                    byte_order = BYTE_ORDERS[name]
                case ['element', name, count] if count.isdecimal():
                    elements.append(Element(name, int(count), []))
                case ['property', 'list', length_kind, kind, name] if TYPES[length_kind][0] != 'f':
                    elements[-1].properties.append(Property(name, TYPES[kind], TYPES[length_kind]))
                case ['property', kind, name]:
                    elements[-1].properties.append(Property(name, TYPES[kind], ''))
                case ['comment' | 'obj_info', *_] if number:
                    pass
                case _:
                    raise ValueError(f'its header has the line {line[:60]!r}')
    except (KeyError, IndexError) as error:
        raise ValueError(f'its header has the line {line[:60]!r}') from error
    if byte_order is None or not all(element.properties for element in elements):
        raise ValueError('its header has no format, or an element without properties')
    if len({element.name for element in elements}) < len(elements):
        raise ValueError('its header has two elements of one name')
    return byte_order, elements


def _text_columns(body: bytes, elements: list[Element]) -> dict[str, Columns]:
    """Parse the rows of each element from text, one line per row."""
    lines = filled_lines(body)
    announced = sum(element.num_rows for element in elements)
    if len(lines) != announced:
        raise ValueError(f'{announced} lines announced, {len(lines)} found')
    table = {}
    for element in elements:
        rows = [_text_row(line.split(), element) for line in lines[: element.num_rows]]
        del lines[: element.num_rows]
        table[element.name] = {
            name: [row[number] for row in rows] for number, (name, *_) in enumerate(element.properties)
        }
    return table


def _text_row(words: list[str], element: Element) -> list[Any]:
    """Parse the words of a line."""
    row: list[Any] = []
    start = 0
    for name, kind, length_kind in element.properties:
        read = float if kind[0] == 'f' else int
        length = int(words[start]) if length_kind and start < len(words) else 1
        start += bool(length_kind)
        values = [read(word) for word in words[start : start + length]]
        if len(values) != length:
            raise ValueError(f'a line of {element.name} ends before its {name}')
        row.append(values if length_kind else values[0])
        start += length
    if start != len(words):
        raise ValueError(f'a line of {element.name} has {len(words)} numbers where {start} are expected')
    return row


def _binary_columns(body: bytes, elements: list[Element], byte_order: str) -> dict[str, Columns]:
    """Parse the rows of each element from bytes, which begin behind the header's last line."""
    start = body.find(b'\n') + 1
    table: dict[str, Columns] = {}
    for element in elements:
        columns: Columns = {name: [] for name, *_ in element.properties}
        left = element.num_rows
        while left:
            rows = _rows_of_equal_lists(body, start, element, left, byte_order)
            for name, column in columns.items():
                column += rows[name].tolist()
            start += rows.nbytes
            left -= len(rows)
        table[element.name] = columns
    if body[start:].strip():
        raise ValueError(f'it has {len(body) - start} bytes more than its header announces')
    return table


def _rows_of_equal_lists(body: bytes, start: int, element: Element, at_most: int, byte_order: str) -> np.ndarray:
    """Return the next rows of an element, as a structured array: one at least, and all with lists of one length."""
    fields: list[tuple] = []
    for name, kind, length_kind in element.properties:
        if length_kind:
            kind_of_length = np.dtype(byte_order + length_kind)
            offset = start + np.dtype(fields).itemsize
            length = int.from_bytes(
                body[offset : offset + kind_of_length.itemsize],
                'little' if byte_order == '<' else 'big',
                signed=kind_of_length.kind == 'i',
            )
            if not 0 <= length <= MAX_LENGTH:
                raise ValueError(f'a list of {element.name} has {length} values')
            fields += [(f'{name}{LENGTH}', kind_of_length), (name, byte_order + kind, (length,))]
        else:
            fields.append((name, byte_order + kind))
    dtype = np.dtype(fields)
    count = min(at_most, (len(body) - start) // dtype.itemsize, MAX_ROWS)
    if count < 1:
        raise ValueError(f'it ends before the last {element.name}')
    rows = np.frombuffer(body, dtype, count, start)
    for name in dtype.names or ():
        if name.endswith(LENGTH):
            others = np.flatnonzero(rows[name] != rows[name][0])
            rows = rows[: others[0]] if len(others) else rows
    return rows
