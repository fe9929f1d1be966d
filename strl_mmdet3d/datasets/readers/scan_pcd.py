"""Decoding PCD files: text, binary and compressed."""

from __future__ import annotations

import io
import re

import numpy as np

from ...extras import extra
from .decoded_size import check_decoded_size
from .scan_table import ScanTable, table_of_fields

BEGINNING = re.compile(rb'\s*(?:#[^\n]*\n\s*)*(?:VERSION|FIELDS)\s')
MAX_HEADER_BYTES = 2**16
KEYS = ('VERSION', 'FIELDS', 'SIZE', 'TYPE', 'COUNT', 'WIDTH', 'HEIGHT', 'VIEWPOINT', 'POINTS', 'DATA')
PADDING = '_'  # PCL's name of bytes between fields


def is_pcd(content: bytes) -> bool:
    """Return whether a file begins as a PCD file does."""
    return content.startswith(b'# .PCD') or BEGINNING.match(content[:MAX_HEADER_BYTES]) is not None


def decode_pcd(content: bytes) -> ScanTable:
    """Decode a PCD file with pypcd4, after its header has been compared with its size.

    Raises:
        ValueError: If the header is not one, or announces more points than the file can hold.
        MissingExtraError: If pypcd4 is not installed.
    """
    header, body = _split(content)
    kind, num_points, point_bytes = _announced(header)
    if kind == 'ascii':
        lines = [b' '.join(line.split()) for line in body.splitlines() if line.strip()]
        body = b'\n'.join(lines) + b'\n'
        if len(lines) != num_points:
            raise ValueError(f'{num_points} points announced, {len(lines)} lines found')
    elif kind == 'binary':
        if len(body) < num_points * point_bytes:
            raise ValueError(f'{num_points} points of {point_bytes} bytes announced, {len(body)} bytes found')
    else:
        stored, decoded = np.frombuffer(body[:8], '<u4') if len(body) >= 8 else (0, 0)
        if stored > len(body) - 8 or decoded != num_points * point_bytes:
            raise ValueError(
                f'{num_points} points of {point_bytes} bytes announced, but its compressed part has {len(body) - 8} '
                f'of {stored} bytes, and {decoded} when it is decompressed'
            )
        check_decoded_size([int(decoded)], 1, len(body))
    header['FIELDS'] = [f'{PADDING}{n}' if name == PADDING else name for n, name in enumerate(header['FIELDS'])]
    header['VERSION'] = ['0.7']  # the only version in use; older ones hold the same
    text = ''.join(f'{key} {" ".join(header[key])}\n' for key in KEYS)
    with extra('formats'):
        from pypcd4 import PointCloud
    try:
        cloud = PointCloud.from_fileobj(io.BufferedReader(io.BytesIO(text.encode() + body)))
    except (RuntimeError, TypeError, KeyError, AssertionError) as error:
        raise ValueError(f'pypcd4 says: {error!r:.200}') from error
    points = np.atleast_1d(cloud.pc_data)
    if len(points) != num_points:
        raise ValueError(f'{num_points} points announced, {len(points)} found')
    fields = {name: points[name] for name in points.dtype.names or () if not name.startswith(PADDING)}
    return table_of_fields(fields, is_organised=int(header['HEIGHT'][0]) > 1)


def _split(content: bytes) -> tuple[dict[str, list[str]], bytes]:
    """Return the words of each line of the header, and what follows the header."""
    header: dict[str, list[str]] = {}
    start = 0
    while start < min(len(content), MAX_HEADER_BYTES):
        end = content.find(b'\n', start)
        if end < 0:
            break
        line, start = content[start:end].decode('latin-1'), end + 1
        words = line.partition('#')[0].split()
        if not words:
            continue
        if words[0] in header:
            raise ValueError(f'its header has two lines {words[0][:60]!r}')
        header[words[0]] = words[1:]
        if words[0] == 'DATA':
            return header, content[start:]
    raise ValueError("its header has no line 'DATA'")


def _announced(header: dict[str, list[str]]) -> tuple[str, int, int]:
    """Return how the points are stored, how many there are, and the bytes of one; fill in what may be left out."""
    number = len(header.setdefault('FIELDS', []))
    header.setdefault('COUNT', ['1'] * number)
    header.setdefault('HEIGHT', ['1'])
    header.setdefault('VIEWPOINT', ['0', '0', '0', '1', '0', '0', '0'])
    try:
        sizes, counts = ([int(word) for word in header[key]] for key in ('SIZE', 'COUNT'))
        width, height = int(header['WIDTH'][0]), int(header['HEIGHT'][0])
        num_points = int(header.setdefault('POINTS', [str(width * height)])[0])
        kind = header['DATA'][0].lower()
    except (KeyError, IndexError, ValueError) as error:
        raise ValueError(f'its header is not one of a PCD file ({error!r:.100})') from error
    lengths = {number, len(sizes), len(counts), len(header.get('TYPE', []))}
    if len(lengths) > 1 or not number or min(sizes) < 1 or min(counts) < 1 or max(sizes) > 8 or num_points < 0:
        raise ValueError('its header has no FIELDS, SIZE, TYPE and COUNT of one length')
    if kind not in ('ascii', 'binary', 'binary_compressed') or num_points != width * height:
        raise ValueError(f'its header announces {num_points} points of {width} x {height}, stored as {kind[:60]!r}')
    point_bytes = sum(size * count for size, count in zip(sizes, counts, strict=True))
    check_decoded_size([num_points], point_bytes, 2**30)
    header['DATA'] = [kind]
    return kind, num_points, point_bytes
