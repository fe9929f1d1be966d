"""Decoding a 16-bit PGM, in which ScanNet's C++ exporter writes depth images."""

from __future__ import annotations

import re

import numpy as np

from .depth_png import MAX_NUM_PIXELS

SIGNATURE = b'P5'
# 'P5', width, height and the largest value, between white space and comments, and one byte of white space at the end.
_GAP = rb'(?:\s|#[^\n]*\n)+'
_HEADER = re.compile(rb'P5' + _GAP + rb'(\d{1,9})' + _GAP + rb'(\d{1,9})' + _GAP + rb'(\d{1,9})\s')
MAX_HEADER = 4096


def decode_depth_pgm(content: bytes) -> np.ndarray:
    """Decode a binary PGM of 16-bit grey values, the most significant byte first.

    Args:
        content: The file's bytes.

    Returns:
        The values (H, W), uint16.

    Raises:
        ValueError: If this is not such a PGM, it has 8 bits or more than :data:`MAX_NUM_PIXELS`, or it is not of
            exactly the size that its header says.
    """
    header = _HEADER.match(content[:MAX_HEADER])
    if header is None:
        raise ValueError('it is not a binary PGM')
    width, height, largest = map(int, header.groups())
    if not 255 < largest < 2**16:
        raise ValueError(f'its largest value is {largest}, but 16 bits of grey (256 to 65535) are expected')
    if not 0 < width * height <= MAX_NUM_PIXELS:
        raise ValueError(f'it has {width} x {height} pixels, but a depth image has 1 to {MAX_NUM_PIXELS}')
    if len(content) - header.end() != 2 * width * height:
        raise ValueError(f'its pixels do not fill {height} rows of {width}')
    return np.frombuffer(content, '>u2', offset=header.end()).reshape(height, width).astype(np.uint16)
