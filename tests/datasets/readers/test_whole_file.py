"""Files that are read whole: only regular ones of a plausible size, and never for ever."""

from __future__ import annotations

import os

import numpy as np
import pytest

from strl_mmdet3d.datasets.readers import whole_file as module
from strl_mmdet3d.datasets.readers.frame_file import CorruptFrameError
from strl_mmdet3d.datasets.readers.kitti_calibration import read_calibration
from strl_mmdet3d.datasets.readers.lidar_scan import read_scan
from strl_mmdet3d.datasets.readers.shape_archive import read_shapes
from strl_mmdet3d.datasets.readers.shape_hdf5 import read_hdf5
from strl_mmdet3d.datasets.readers.shape_mesh import read_mesh
from strl_mmdet3d.datasets.readers.shape_npz import read_npz
from strl_mmdet3d.datasets.readers.shape_text import read_text as read_shape_text
from strl_mmdet3d.datasets.readers.text_list import read_list
from strl_mmdet3d.datasets.readers.whole_file import read_whole
from strl_mmdet3d.datasets.sequence_index import SequenceIndexError, read_sequence_index
from strl_mmdet3d.datasets.transforms import LoadDepthFrame, LoadFrame, LoadShape


def load_scan(path):
    return LoadFrame()({'lidar_points': {'lidar_path': str(path)}})


def load_depth(path):
    return LoadDepthFrame()({'depth_frame': dict(depth_path=str(path), intrinsics=np.eye(3), camera2view=np.eye(4))})


def load_shape(path):
    return LoadShape()({'lidar_points': {'lidar_path': str(path)}})


READERS = {
    'scan': ('0.bin', load_scan, CorruptFrameError),
    'depth image': ('0.png', load_depth, CorruptFrameError),
    'text': ('0.txt', load_shape, CorruptFrameError),
    'off': ('0.off', load_shape, CorruptFrameError),
    'obj': ('0.obj', load_shape, CorruptFrameError),
    'ply': ('0.ply', load_shape, CorruptFrameError),
    'calibration': ('calib.txt', read_calibration, SequenceIndexError),
    'list': ('names.txt', read_list, SequenceIndexError),
    'index': ('index.json', read_sequence_index, SequenceIndexError),
}


@pytest.mark.parametrize('kind', READERS)
def test_a_sparse_file_of_6_gb_is_refused_without_reading_it(tmp_path, kind, monkeypatch):
    name, read, error = READERS[kind]
    path = tmp_path / name
    with path.open('wb') as file:
        file.truncate(6 * 10**9)
    monkeypatch.setattr(module, 'open', lambda *_, **__: pytest.fail('it was read'), raising=False)
    with pytest.raises(
        error,
        match=rf'{name} .*it has 5\.59 GiB, but no file of this kind has more than .*(Restore|Rebuild|rebuild|Add)',
    ):
        read(path)


@pytest.mark.parametrize('kind', READERS)
@pytest.mark.parametrize('what', ['pipe', 'device behind a link', 'folder', 'broken link', 'link to itself', '/proc'])
def test_what_is_not_a_regular_file_is_refused_at_once(tmp_path, kind, what):
    name, read, error = READERS[kind]
    path = tmp_path / name
    if what == 'pipe':
        os.mkfifo(path)
    elif what == 'folder':
        path.mkdir()
    else:
        targets = {'device behind a link': '/dev/zero', 'broken link': 'nowhere', '/proc': '/proc/kmsg'}
        path.symlink_to(targets.get(what, name))
    if (what, kind) == ('/proc', 'calibration'):
        assert read(path) == {}  # of no bytes; its user misses the values
        return
    with pytest.raises(error, match=name):
        read(path)


@pytest.mark.parametrize(('name', 'read'), [('a.npz', read_npz), ('a.h5', read_hdf5), ('a.h5', read_shapes)])
def test_an_archive_must_be_a_regular_file(tmp_path, name, read):
    os.mkfifo(tmp_path / name)
    with pytest.raises(CorruptFrameError, match=rf'{name} cannot be read .*it is not a regular file'):
        read(str(tmp_path / name))


@pytest.mark.parametrize('kind', READERS)
def test_too_little_memory_is_the_readers_error(tmp_path, kind, monkeypatch):
    name, read, error = READERS[kind]
    (tmp_path / name).write_bytes(b'content')

    def no_memory(*_):
        raise MemoryError

    monkeypatch.setattr(module, '_read_local', no_memory)
    with pytest.raises(error, match=rf'{name} .*does not fit into the memory'):
        read(tmp_path / name)


@pytest.mark.parametrize(
    ('target', 'name', 'load'),
    [
        ('lidar_scan._find_returns', '0.bin', load_scan),
        ('depth_image.decode_depth_png', '0.png', load_depth),
        ('shape_mesh.parse_mesh', '0.off', load_shape),
    ],
)
def test_too_little_memory_for_decoding_is_it_too(tmp_path, target, name, load, monkeypatch):
    (tmp_path / name).write_bytes(bytes(16))

    def no_memory(*_):
        raise MemoryError

    monkeypatch.setattr(f'strl_mmdet3d.datasets.readers.{target}', no_memory)
    with pytest.raises(CorruptFrameError, match=rf'{name} .*(memory|MemoryError)'):
        load(tmp_path / name)


def test_a_file_is_read_as_it_is_and_an_address_by_its_backend(tmp_path):
    (tmp_path / 'a').write_bytes(b'\r\n\0content')
    assert read_whole(tmp_path / 'a') == b'\r\n\0content'
    assert read_whole(str(tmp_path / 'a'), backend_args=dict(backend='local')) == b'\r\n\0content'
    with pytest.raises(OSError, match='no file of this kind has more than'):
        read_whole(str(tmp_path / 'a'), max_bytes=5, backend_args=dict(backend='local'))


def test_a_file_that_shrinks_meanwhile_is_refused(tmp_path, monkeypatch):
    path = tmp_path / '0.bin'
    np.ones((4, 4), np.float32).tofile(path)
    check = module._check_size

    def shrink(*arguments):
        check(*arguments)
        os.truncate(path, 16)

    monkeypatch.setattr(module, '_check_size', shrink)
    with pytest.raises(CorruptFrameError, match='became shorter while it was read'):
        read_scan(str(path), 4, [0, 1, 2])


def test_texts_of_shapes_are_read(tmp_path):
    (tmp_path / 'a.txt').write_text('1,2,3\n')
    assert read_shape_text(str(tmp_path / 'a.txt')).tolist() == [[1, 2, 3]]
    (tmp_path / 'a.off').write_text('OFF 3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n')
    assert read_mesh(str(tmp_path / 'a.off'), 5).shape == (5, 3)
