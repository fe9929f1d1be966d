"""Depth PNGs: the values are Pillow's, and every image that is not whole is refused."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from strl_mmdet3d.datasets.readers.depth_png import MAX_NUM_PIXELS, SIGNATURE, decode_depth_png

HEIGHT, WIDTH = 7, 5


def chunk(name, data):
    return struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))


def header(width=WIDTH, height=HEIGHT, bits=16, colour=0, interlace=0):
    return chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, bits, colour, 0, 0, interlace))


def rows(number=HEIGHT, kind=0, seed=0):
    rng = np.random.default_rng(seed)
    return b''.join(bytes([kind]) + rng.bytes(2 * WIDTH) for _ in range(number))


END = chunk(b'IEND', b'')


def png(*parts):
    return SIGNATURE + b''.join(parts)


def image(data=None, **settings):
    return png(header(**settings), chunk(b'IDAT', zlib.compress(rows() if data is None else data)), END)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**31), st.lists(st.integers(0, 4), min_size=9, max_size=9))
def test_values_are_those_of_pillow_by_every_filter(width, height, seed, filters):
    rng = np.random.default_rng(seed)
    data = b''.join(bytes([kind]) + rng.bytes(2 * width) for kind in filters[:height])
    half = len(data) // 2
    stream = zlib.compress(data)
    content = png(
        header(width, height),
        chunk(b'tEXt', b'a\0b'),
        chunk(b'IDAT', stream[:half]),
        chunk(b'IDAT', stream[half:]),
        END,
    )
    expected = np.asarray(Image.open(io.BytesIO(content)))
    values = decode_depth_png(content)
    assert values.dtype == np.uint16
    np.testing.assert_array_equal(values, expected)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 2**31))
def test_what_pillow_writes_is_read(width, height, seed):
    values = np.random.default_rng(seed).integers(0, 2**16, (height, width)).astype(np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, format='PNG')
    np.testing.assert_array_equal(decode_depth_png(buffer.getvalue()), values)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', 'not a PNG'),
        (image(rows(HEIGHT - 1)), 'do not fill 7 rows'),
        (image(rows(2)), 'do not fill 7 rows'),
        (image(b''), 'do not fill 7 rows'),
        (image(rows(HEIGHT + 1)), 'do not fill 7 rows'),
        (image(rows()[:-1]), 'do not fill 7 rows'),
        (image(bytes(10**7)), 'do not fill 7 rows'),
        (png(header(), END), 'do not fill 7 rows'),
        (png(header(), chunk(b'IDAT', zlib.compress(rows())[:-4]), END), 'do not fill 7 rows'),  # without its checksum
        (png(header(), chunk(b'IDAT', zlib.compress(rows())[:20]), END), 'do not fill 7 rows'),
        (png(header(), chunk(b'IDAT', b'no stream'), END), 'cannot be decompressed'),
        (image()[:-12], 'truncated'),
        (image()[:60], 'truncated'),
        (image()[:-14] + b'xx' + image()[-12:], 'checksum of its part'),
        (image(rows(kind=5)), 'unknown filter'),
        (image(bits=8), '8 bits'),
        (image(bits=16, colour=2), 'colour type 2'),
        (image(bits=8, colour=3), 'colour type 3'),
        (image(colour=4), 'colour type 4'),
        (image(interlace=1), 'interlacing 1'),
        (image(width=0), 'has 0 x 7 pixels'),
        (image(width=12000, height=12000), 'has 12000 x 12000 pixels, but a depth image has 1 to 33554432'),
        (image(width=2**31, height=2**31), 'pixels, but a depth image'),
        (png(header(), header(80, 60), chunk(b'IDAT', zlib.compress(rows())), END), 'one header'),
        (png(chunk(b'IDAT', zlib.compress(rows())), header(), END), 'one header'),
        (png(chunk(b'IHDR', b'short'), END), 'one header'),
        (png(END), 'one header'),
        (png(header(), chunk(b'acTL', bytes(8)), chunk(b'IDAT', zlib.compress(rows())), END), "part b'acTL'"),
        (png(header(), chunk(b'WHAT', bytes(8)), chunk(b'IDAT', zlib.compress(rows())), END), "part b'WHAT'"),
    ],
)
def test_what_is_not_a_whole_depth_image_is_refused(content, message):
    with pytest.raises(ValueError, match=message):
        decode_depth_png(content)


def test_each_cut_and_each_flipped_bit_is_found():
    content = image()
    for size in range(len(content)):
        with pytest.raises(ValueError, match=r'truncated|not a PNG'):
            decode_depth_png(content[:size])
    for at in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[at // 8] ^= 1 << at % 8
        with pytest.raises(ValueError, match=r'checksum|truncated|not a PNG'):
            decode_depth_png(bytes(damaged))


def test_the_largest_image_is_one_of_8k():
    assert MAX_NUM_PIXELS > 7680 * 4320
