"""Decoding a 16-bit greyscale PNG, and refusing every one that is not whole.

A depth of 0 means 'nothing seen', so rows that a decoder fills with zeros look like data. Pillow does so if rows are
missing, and does not compare checksums; OpenCV 4.11 does so for an animated PNG, and writes what it finds to stderr.
This decoder takes the one kind of PNG that depth images are.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np
from numba import njit

MAX_NUM_PIXELS = 2**25  # 33.5 million, the size of an 8K image; depth cameras have a tenth of that at most
SIGNATURE = b'\x89PNG\r\n\x1a\n'
HEADER = struct.Struct('>IIBBBBB')  # width, height, bit depth, colour type, compression, filter, interlace
CRITICAL = (b'PLTE', b'IDAT')  # an upper-case name means that the image cannot be understood without this part
ANIMATION = b'acTL'
BYTES_PER_PIXEL = 2
PAETH = 4  # the number of the last of the five filters


def decode_depth_png(content: bytes) -> np.ndarray:
    """Decode a PNG of 16-bit grey values.

    Args:
        content: The file's bytes.

    Returns:
        The values (H, W), uint16.

    Raises:
        ValueError: If this is not such a PNG, it is interlaced or animated, has more than :data:`MAX_NUM_PIXELS`, is
            cut off, has a wrong checksum, or holds more or less than H rows.
    """
    chunks = list(_chunks(content))
    if [kind for kind, _ in chunks].count(b'IHDR') != 1 or chunks[0][0] != b'IHDR' or len(chunks[0][1]) != HEADER.size:
        raise ValueError('it does not begin with one header')
    width, height, *kind = HEADER.unpack(chunks[0][1])
    if kind != [16, 0, 0, 0, 0]:
        raise ValueError(
            f'it has {kind[0]} bits, colour type {kind[1]} and interlacing {kind[4]}, but 16 bits of grey (type 0) '
            'without interlacing are expected; was it saved as an 8-bit or colour image?'
        )
    others = [name for name, _ in chunks[1:] if name == ANIMATION or (name[:1].isupper() and name not in CRITICAL)]
    if others:
        raise ValueError(f'it has the part {others[0]!r}, which a depth image does not need')
    if not 0 < width * height <= MAX_NUM_PIXELS:
        raise ValueError(f'it has {width} x {height} pixels, but a depth image has 1 to {MAX_NUM_PIXELS}')
    num_bytes = height * (1 + BYTES_PER_PIXEL * width)  # each row begins with the number of its filter
    inflate = zlib.decompressobj()
    try:
        rows = inflate.decompress(b''.join(data for name, data in chunks if name == b'IDAT'), num_bytes + 1)
    except zlib.error as error:
        raise ValueError(f'its pixels cannot be decompressed: {error}') from error
    if len(rows) != num_bytes or not inflate.eof:
        raise ValueError(f'its pixels do not fill {height} rows of {width}')
    values = np.frombuffer(rows, np.uint8).reshape(height, -1)
    if values[:, 0].max() > PAETH:
        raise ValueError('one of its rows has an unknown filter')
    pixels = np.zeros((height + 1, BYTES_PER_PIXEL * (width + 1)), np.uint8)  # with a row and a pixel of 0 before
    _undo_filters(values, pixels)
    return pixels[1:, BYTES_PER_PIXEL:].copy().view('>u2').astype(np.uint16)


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the name and the data of each chunk up to the end mark, or raise a ValueError at damage."""
    if not content.startswith(SIGNATURE):
        raise ValueError('it is not a PNG')
    start = len(SIGNATURE)
    while True:
        size = int.from_bytes(content[start : start + 4], 'big')
        end = start + 12 + size
        if len(content) < end:
            raise ValueError('it is truncated')
        name, data = content[start + 4 : start + 8], content[start + 8 : end - 4]
        if zlib.crc32(data, zlib.crc32(name)) != int.from_bytes(content[end - 4 : end], 'big'):
            raise ValueError(f'the checksum of its part {name!r} is wrong')
        if name == b'IEND':
            return
        yield name, data
        start = end


@njit(nogil=True, cache=True)
def _undo_filters(rows: np.ndarray, pixels: np.ndarray) -> None:
    """Undo the filters of a PNG's rows.

    Args:
        rows: (H, 1 + 2 W), uint8: each row's filter, and the differences that it has left.
        pixels: (H + 1, 2 + 2 W), uint8, filled with zeros; the rows from 1 and the columns from 2 are written.
    """
    for y in range(rows.shape[0]):
        kind, above, row = rows[y, 0], pixels[y], pixels[y + 1]
        for x in range(1, rows.shape[1]):
            here = x + 1
            left, up, corner = np.int64(row[here - 2]), np.int64(above[here]), np.int64(above[here - 2])
            if kind == 0:
                guess = np.int64(0)
            elif kind == 1:
                guess = left
            elif kind == 2:
                guess = up
            elif kind == 3:
                guess = (left + up) // 2
            else:  # Paeth: of the three neighbours, the nearest to left + up - corner
                to_left, to_up, to_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
                guess = up if to_up <= to_corner else corner
                if to_left <= to_up and to_left <= to_corner:
                    guess = left
            row[here] = np.uint8(rows[y, x] + guess)
