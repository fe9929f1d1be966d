"""Scans of all formats: what the format's own library wrote is read back bit for bit, and damaged files are refused."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import re
import struct
import sys
import zipfile

import laspy
import numpy as np
import pytest
from plyfile import PlyData, PlyElement
from pypcd4 import Encoding, PointCloud

from strl_mmdet3d.datasets.readers.foreign_formats import CONVERTERS, MARKS, foreign_suffix
from strl_mmdet3d.datasets.readers.frame_file import CorruptFrameError
from strl_mmdet3d.datasets.readers.lidar_scan import MAX_SCAN_BYTES, PointWidthError, load_scan, read_scan
from strl_mmdet3d.datasets.readers.scan_content import ForeignFormatError, decode_scan
from strl_mmdet3d.extras import MissingExtraError

NUM_FLIPS = int(os.environ.get('STRL_SCAN_FLIPS', '30'))  # damaged copies of each format
NAMES = ('x', 'y', 'z', 'intensity', 'ring')


def decode(content):
    return decode_scan(content, MAX_SCAN_BYTES)


def scan(number=501, columns=5, seed=0):
    rng = np.random.default_rng(seed)
    points = rng.normal(0, 20, (number, 5))
    points[:, 3] = rng.uniform(0, 1, number)
    points[:, 4] = np.arange(number) % 16
    return points[:, :columns].astype(np.float32)


def structured(points, names=NAMES, types=('<f4',) * 5):
    rows = np.empty(len(points), [*zip(names, types, strict=True)])
    for place, name in enumerate(names):
        rows[name] = points[:, place]
    return rows


def pcd(points, encoding=Encoding.BINARY, names=NAMES, types=(np.float32,) * 5):
    file = io.BytesIO()
    columns = [points[:, place].astype(kind) for place, kind in enumerate(types)]
    PointCloud.from_points(columns, names, types).save(file, encoding)
    return file.getvalue()


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz(compressed=False, **arrays):
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, **arrays)
    return file.getvalue()


def ply(points, text=False, byte_order='<', faces=False):
    elements = [PlyElement.describe(structured(points), 'vertex')]
    if faces:
        rows = np.empty(2, [('vertex_indices', 'i4', (3,))])
        rows['vertex_indices'] = [[0, 1, 2], [2, 1, 0]]
        elements.append(PlyElement.describe(rows, 'face'))
    file = io.BytesIO()
    PlyData(elements, text=text, byte_order=byte_order).write(file)
    return file.getvalue()


def las(points, compressed=False, offset=(0, 0, 0), version='1.4', kind=6, scale=0.001):
    header = laspy.LasHeader(version=version, point_format=kind)
    header.scales, header.offsets = [scale] * 3, offset
    data = laspy.LasData(header)
    data.x, data.y, data.z = points[:, :3].T
    data.intensity = (points[:, 3] * 65535).astype(np.uint16)
    file = io.BytesIO()
    data.write(file, do_compress=compressed)
    return file.getvalue(), data


WRITTEN = {
    'PCD, binary': lambda points: pcd(points),
    'PCD, compressed': lambda points: pcd(points, Encoding.BINARY_COMPRESSED),
    'PCD, text': lambda points: pcd(points, Encoding.ASCII),
    'npy with names': lambda points: npy(structured(points)),
    'npz with names': lambda points: npz(scan=structured(points)),
    'npz of columns': lambda points: npz(True, **{name: points[:, place] for place, name in enumerate(NAMES)}),
    'PLY, little endian': lambda points: ply(points),
    'PLY, big endian': lambda points: ply(points, byte_order='>'),
    'PLY with faces': lambda points: ply(points, faces=True),
    'PLY, text': lambda points: ply(points, text=True),
}
UNNAMED = {
    'npy': lambda points: npy(points),
    'npy, column by column': lambda points: npy(np.asfortranarray(points)),
    'npy, big endian': lambda points: npy(points.astype('>f4')),
    'npy, organised': lambda points: npy(points[: len(points) // 20 * 20].reshape(20, -1, 5)),
    'npz': lambda points: npz(points=points, label=np.zeros(len(points), np.int64), pose=np.eye(4)),
    'npz, compressed': lambda points: npz(True, any_name=points),
}


@pytest.mark.parametrize('zipped', [False, True], ids=['plain', 'gzipped'])
@pytest.mark.parametrize('kind', WRITTEN)
def test_what_a_library_wrote_is_read_back_bit_for_bit(kind, zipped):
    points = scan()
    content = WRITTEN[kind](points)
    table = decode(gzip.compress(content) if zipped else content)
    assert table.columns == NAMES
    # Text is written with as many digits as float32 needs, or with some less by PCD's writer.
    if kind == 'PCD, text':
        np.testing.assert_allclose(table.values, points, rtol=1e-6, atol=1e-8)
    else:
        assert table.values.tobytes() == points.tobytes()
    assert table.origin == (0, 0, 0)


@pytest.mark.parametrize('kind', UNNAMED)
def test_an_array_without_names_is_read_back_bit_for_bit(kind):
    points = scan()
    table = decode(UNNAMED[kind](points))
    assert table.columns == ()
    assert table.is_organised == ('organised' in kind)
    assert table.values.tobytes() == (points[:500] if table.is_organised else points).tobytes()


@pytest.mark.parametrize('zipped', [False, True])
def test_plain_values_have_no_width(zipped):
    content = scan().tobytes()
    table = decode(gzip.compress(content) if zipped else content)
    assert table.values.ndim == 1
    assert table.values.tobytes() == content


@pytest.mark.parametrize('compressed', [False, True], ids=['las', 'laz'])
@pytest.mark.parametrize(('version', 'kind'), [('1.2', 0), ('1.2', 3), ('1.4', 6), ('1.4', 7)])
def test_las_and_laz_by_their_scale_and_offset(compressed, version, kind):
    content, data = las(scan(), compressed, version=version, kind=kind, offset=(5, -5, 1))
    table = decode(content)
    assert table.columns[:4] == ('x', 'y', 'z', 'intensity')
    expected = np.stack([data.x, data.y, data.z], axis=1).astype(np.float32)
    assert table.values[:, :3].tobytes() == expected.tobytes()
    np.testing.assert_allclose(table.values[:, :3], scan()[:, :3], atol=6e-4)
    np.testing.assert_array_equal(table.values[:, 3], data.intensity)


def test_the_coordinates_of_a_map_keep_their_millimetres():
    """UTM: float32 has half a metre there."""
    origin = np.array([448262.0, 5411932.0, 0.0])
    points = scan().astype(np.float64)
    points[:, :3] += origin
    for content in (
        las(points, offset=origin)[0],
        npy(points),
        npz(points=points),
        pcd(points, types=(np.float64,) * 3 + (np.float32,) * 2),
        npy(structured(points, types=('<f8',) * 5)),
    ):
        table = decode(content)
        assert np.abs(table.origin - origin).max() < 10
        np.testing.assert_allclose(table.values[:, :3] + np.array(table.origin), points[:, :3], atol=1e-3)
        assert table.origin[2] == 0  # heights stay


def test_a_stray_return_far_away_does_not_make_a_map():
    points = scan().astype(np.float64)
    points[5, 0] = 2e4
    table = decode(npy(points))
    assert table.origin == (0, 0, 0)
    np.testing.assert_array_equal(table.values, points.astype(np.float32))


def test_times_since_1970_keep_their_milliseconds():
    times = 1.6e9 + np.arange(501) / 5010
    rows = np.empty(501, [('x', 'f4'), ('y', 'f4'), ('z', 'f4'), ('timestamp', 'f8')])
    for name in 'xyz':
        rows[name] = scan()[:, 0]
    rows['timestamp'] = times
    table = decode(npy(rows))
    assert table.columns[3] == 'time'
    np.testing.assert_allclose(np.diff(table.values[:, 3]), np.diff(times), atol=1e-5)


def test_columns_are_put_in_order_and_in_one_spelling():
    names = ('Reflectivity', 'z', 'laser_id', 'y', 'x')
    points = scan()
    table = decode(pcd(points, names=names))
    assert table.columns == ('x', 'y', 'z', 'intensity', 'ring')
    np.testing.assert_array_equal(table.values, points[:, [4, 3, 1, 0, 2]])


def test_integers_and_padding_of_ros_drivers():
    """The layout of velodyne_pointcloud: float32 x, y, z, four bytes of padding, intensity, uint16 ring."""
    rows = np.zeros(7, [('x', 'f4'), ('y', 'f4'), ('z', 'f4'), ('_', 'V4'), ('i', 'f4'), ('ring', 'u2'), ('_2', 'V2')])
    for name in ('x', 'y', 'z', 'i', 'ring'):
        rows[name] = np.arange(7) + 1
    header = (
        '# .PCD v0.7 - Point Cloud Data file format\r\nVERSION .7\r\nFIELDS x y z _ intensity ring _\r\n'
        'SIZE 4 4 4 1 4 2 1\r\nTYPE F F F U F U U\r\nCOUNT 1 1 1 4 1 1 2\r\nWIDTH 7\r\nHEIGHT 1\r\nDATA binary\r\n'
    )
    table = decode(header.encode() + rows.tobytes())
    assert table.columns == NAMES
    np.testing.assert_array_equal(table.values, np.repeat(np.arange(1, 8)[:, None], 5, axis=1))


@pytest.mark.parametrize('kind', [np.float32, np.uint32])
def test_packed_colours_become_three_columns(kind):
    packed = np.array([0x00FF8001, 0x00102030], np.uint32)
    file = io.BytesIO()
    columns = [np.ones(2, np.float32)] * 3 + [packed.view(kind)]
    PointCloud.from_points(columns, ('x', 'y', 'z', 'rgb'), (np.float32,) * 3 + (kind,)).save(file, Encoding.BINARY)
    table = decode(file.getvalue())
    assert table.columns == ('x', 'y', 'z', 'red', 'green', 'blue')
    np.testing.assert_array_equal(table.values[:, 3:], [[255, 128, 1], [16, 32, 48]])


def test_no_return_of_an_organised_scan_is_not_damage(tmp_path):
    points = scan(600)
    points[100:] = np.nan
    content = pcd(points).replace(b'WIDTH 600', b'WIDTH 20').replace(b'HEIGHT 1\n', b'HEIGHT 30\n')
    (tmp_path / '0.pcd').write_bytes(content)
    loaded = load_scan(str(tmp_path / '0.pcd'))
    assert (len(loaded.records), loaded.num_empty, loaded.num_broken) == (100, 500, 0)
    (tmp_path / '0.pcd').write_bytes(pcd(points))
    with pytest.raises(CorruptFrameError, match='NaN or Inf in 500 of 600 points'):
        load_scan(str(tmp_path / '0.pcd'))


def test_the_name_of_a_file_does_not_matter(tmp_path):
    points = scan()
    for number, content in enumerate([points.tobytes(), *(write(points) for write in (WRITTEN | UNNAMED).values())]):
        path = tmp_path / f'{number}.bin'
        path.write_bytes(content)
        assert read_scan(str(path), 5, [0, 1, 2]).shape in ((501, 5), (500, 5))
        with pytest.raises(PointWidthError, match=f'{path.name} has 5 values per point.* Set load_dim=5'):
            load_scan(str(path), 4)


@pytest.mark.parametrize(('mark', 'suffix'), MARKS.items())
def test_other_formats_are_refused_by_name(mark, suffix, tmp_path):
    path = tmp_path / '0.bin'
    for content in (mark + bytes(100), gzip.compress(mark + bytes(100))):
        path.write_bytes(content)
        said = re.escape(f'0.bin is no scan: it is a {suffix} file, which is not read: {CONVERTERS[suffix]}')
        with pytest.raises(CorruptFrameError, match=said):
            load_scan(str(path), 4)
    with pytest.raises(ForeignFormatError, match='which is not read'):
        decode(mark)


@pytest.mark.parametrize(
    ('name', 'suffix'),
    [
        ('segment-1.tfrecord', '.tfrecord'),
        ('a.tfrecord-00000-of-00040', '.tfrecord'),
        ('a_0.DB3', '.db3'),
        ('a.tar.gz', '.tar.gz'),
        ('a.bin', None),
        ('a.bin.gz', None),
        ('a.pcd', None),
    ],
)
def test_names_of_other_formats(name, suffix):
    assert foreign_suffix(name) == suffix


def test_another_zip_archive_is_refused():
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w') as archive:
        archive.writestr('000000.bin', scan().tobytes())
    with pytest.raises(ValueError, match=r"a zip archive with '000000.bin' in it. Extract it"):
        decode(file.getvalue())


def test_a_missing_package_names_the_pip_command(monkeypatch):
    content, laz = pcd(scan()), las(scan(), True)[0]
    monkeypatch.setitem(sys.modules, 'pypcd4', None)
    monkeypatch.setitem(sys.modules, 'lazrs', None)
    for file, name in ((content, 'pypcd4'), (laz, 'lazrs')):
        with pytest.raises(MissingExtraError, match=rf"{name} is not installed.*'strl_mmdet3d\[formats\]'"):
            decode(file)


def header_with(**changes):
    lines = dict(
        VERSION='0.7', FIELDS='x y z', SIZE='4 4 4', TYPE='F F F', COUNT='1 1 1', WIDTH='5', HEIGHT='1', POINTS='5',
        DATA='binary',
    )  # fmt: skip
    return ''.join(f'{key} {value}\n' for key, value in (lines | changes).items()).encode()


FORGED = {
    'PCD of a terabyte': header_with(WIDTH='100000000000', POINTS='100000000000') + bytes(60),
    'PCD of many points in text': header_with(WIDTH='10000000', POINTS='10000000', DATA='ascii') + b'1 2 3\n',
    'PCD compressed to nothing': header_with(
        WIDTH='300000000', POINTS='300000000', DATA='binary_compressed'
    ) + struct.pack('<II', 4, 3600000000) + bytes(4),
    'PCD without points': header_with() + bytes(59),
    'PCD of unequal fields': header_with(SIZE='4 4') + bytes(60),
    'PCD of negative points': header_with(WIDTH='-5', POINTS='-5') + bytes(60),
    'PCD of words': header_with(WIDTH='many') + bytes(60),
    'PCD without data': header_with().replace(b'DATA', b'DATE') + bytes(60),
    'PCD of another type': header_with(TYPE='F F O') + bytes(60),
    'PCD without z': header_with(FIELDS='x y w') + bytes(60),
    'npy of objects': npy(np.array([{}, []], dtype=object)),
    'npy of words': npy(np.array(['a', 'b'])),
    'npy of complex numbers': npy(np.ones((9, 4), complex)),
    'npy turned': npy(np.ones((4, 900), np.float32)),
    'npy of two columns': npy(np.ones((90, 2), np.float32)),
    'npy of a terabyte': npy(scan(9, 4)).replace(b'(9, 4), }' + b' ' * 9, b'(9' + b'0' * 9 + b', 4), }'),
    'npy cut': npy(scan())[:-4],
    'npz of objects': npz(points=np.array([{}], dtype=object)),
    'npz of two clouds': npz(a=scan(), b=scan()),
    'npz cut': npz(points=scan())[:-30],
    'PLY of a terabyte': ply(scan()).replace(b'element vertex 501', b'element vertex 100000000000'),
    'PLY of many faces': ply(scan(), faces=True).replace(b'element face 2', b'element face 100000000000'),
    'PLY cut': ply(scan())[:-4],
    'PLY of no vertices': b'ply\nformat ascii 1.0\nelement face 0\nproperty list uchar int a\nend_header\n',
    'las cut': las(scan())[0][:200],
    'las of many records': las(scan())[0][:100] + b'\xff\xff\xff\x7f' + las(scan())[0][104:],
    'las of many points': las(scan())[0][:247] + b'\xff' * 8 + las(scan())[0][255:],
    'gzip cut': gzip.compress(scan().tobytes())[:-9],
    'gzip of zeros': gzip.compress(bytes(2**27)),
    'three bytes': b'abc',
}  # fmt: skip


@pytest.mark.parametrize('kind', FORGED)
def test_forged_files_are_refused(kind):
    with pytest.raises(ValueError, match=r'\w'):
        decode(FORGED[kind])


@pytest.mark.parametrize('kind', [*WRITTEN, *UNNAMED, 'las', 'laz'])
def test_a_flipped_byte_is_read_or_refused(kind, tmp_path):
    write = {'las': lambda points: las(points)[0], 'laz': lambda points: las(points, True)[0]} | WRITTEN | UNNAMED
    content = write[kind](scan(60))
    rng = np.random.default_rng(0)
    for number in range(NUM_FLIPS):
        damaged = bytearray(content)
        place = int(rng.integers(min(len(content), 400) if number % 2 else len(content)))
        damaged[place] = int(rng.integers(256))
        if number % 5 == 0:
            del damaged[place:]
        path = tmp_path / '0.bin'
        path.write_bytes(damaged)
        with contextlib.suppress(CorruptFrameError):
            assert load_scan(str(path)).records.dtype == np.float32


def test_a_matrix_beside_columns_or_alone_is_no_scan():
    points = scan()
    columns = {name: points[:, place] for place, name in enumerate(NAMES)}
    table = decode_scan(npz(**columns, pose=np.eye(4)), 'a.npz')
    np.testing.assert_array_equal(table.values, points)
    place = dict(x=np.ones(1), y=np.ones(1), z=np.ones(1))  # of the car
    np.testing.assert_array_equal(decode_scan(npz(lidar=points, **place), 'a.npz').values, points)
    with pytest.raises(ValueError, match="no array 'points'"):
        decode_scan(npz(calibration=np.eye(4)[:3]), 'a.npz')
