"""Decoding a scan's file by what it holds, whatever its name says."""

from __future__ import annotations

import zlib

import numpy as np

from .decoded_size import HARMLESS_BYTES, MAX_RATIO
from .foreign_formats import CONVERTERS, foreign_content
from .scan_las import MARK as LAS_MARK
from .scan_las import decode_las
from .scan_numpy import NPY_MARK, ZIP_MARKS, decode_npy, decode_npz
from .scan_pcd import decode_pcd, is_pcd
from .scan_ply import MARK as PLY_MARK
from .scan_ply import decode_ply
from .scan_table import ScanTable

GZIP_MARK = b'\x1f\x8b\x08'
MAX_GZIP_FLAGS = b'\x20'  # the fourth byte is below; in a coordinate that begins with the mark, it is above
GZIP_BITS = 31  # zlib's number for gzip's format


class ForeignFormatError(ValueError):
    """A file of a format that is not read here. The message names the format and the converter."""


def decode_scan(content: bytes, max_bytes: int) -> ScanTable:
    """Decode a scan: PCD, NumPy's arrays and archives, PLY, LAS, LAZ, or else plain float32 values; gzipped or not.

    Args:
        content: The file's bytes.
        max_bytes: The largest size that a gzipped file may have when it is decompressed.

    Returns:
        The table. Plain float32 has values (S,), without names.

    Raises:
        ForeignFormatError: If it is a file of another format.
        ValueError: If the file is damaged.
        MissingExtraError: If the package that reads the format is not installed.
    """
    if content.startswith(GZIP_MARK) and content[3:4] < MAX_GZIP_FLAGS:
        content = _gunzip(content, max_bytes)
    if suffix := foreign_content(content):
        raise ForeignFormatError(f'it is a {suffix} file, which is not read: {CONVERTERS[suffix]}')
    if is_pcd(content):
        kind, decode = 'PCD', decode_pcd
    elif content.startswith(NPY_MARK):
        kind, decode = 'NumPy array', decode_npy
    elif content.startswith(ZIP_MARKS):
        kind, decode = 'NumPy archive', decode_npz
    elif content.startswith(PLY_MARK) and content[3:5].strip() in (b'', b'f'):
        kind, decode = 'PLY', decode_ply
    elif content.startswith(LAS_MARK):
        kind, decode = 'LAS', decode_las
    else:
        return _plain(content)
    try:
        return decode(content)
    except ImportError:  # a missing package is no fault of the file
        raise
    except (MemoryError, ValueError) as error:
        raise ValueError(f'as a {kind} file: {error}') from error
    except Exception as error:  # the parsers raise errors of many types on damaged files
        raise ValueError(f'as a {kind} file: {error!r:.200}') from error


def _plain(content: bytes) -> ScanTable:
    """Take a file for plain little-endian float32 values."""
    if len(content) % 4:
        raise ValueError('it does not hold whole float32 values')
    return ScanTable(np.frombuffer(content, '<f4'))


def _gunzip(content: bytes, max_bytes: int) -> bytes:
    """Decompress a gzipped file, which may have several parts."""
    limit = min(max_bytes, max(HARMLESS_BYTES, MAX_RATIO * len(content)))
    parts, size = [], 0
    try:
        while content:
            decompressor = zlib.decompressobj(GZIP_BITS)
            part = decompressor.decompress(content, limit - size + 1)
            size += len(part)
            if size > limit:
                raise ValueError(f'it decompresses to more than {limit / 2**20:.0f} MiB')
            if not decompressor.eof:
                raise ValueError('it is a gzipped file that ends too early')
            parts.append(part)
            content = decompressor.unused_data.lstrip(b'\0')
    except zlib.error as error:
        raise ValueError(f'it is a damaged gzipped file ({error})') from error
    return b''.join(parts)
