"""Loading shapes: the row of an archive, text files and meshes, and damaged files."""

from __future__ import annotations

import io
import zipfile

import h5py
import numpy as np
import pytest
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures import DepthPoints, LiDARPoints

from strl_mmdet3d.datasets.readers.frame_file import CorruptFrameError
from strl_mmdet3d.datasets.readers.shape_archive import read_shapes, shape_path
from strl_mmdet3d.datasets.readers.shape_npz import read_array
from strl_mmdet3d.datasets.transforms.load_shape import LoadShape


def shapes(number=3, points=5, dtype=np.float32):
    return np.random.default_rng(0).standard_normal((number, points, 3)).astype(dtype)


def frame(archive, row):
    return {'lidar_points': {'lidar_path': shape_path(str(archive), row)}}


@pytest.mark.parametrize('dtype', [np.float16, np.float32, np.float64])
@pytest.mark.parametrize('save', [np.savez, np.savez_compressed])
def test_the_points_are_those_of_the_row(tmp_path, save, dtype):
    stored = shapes(dtype=dtype)
    save(tmp_path / 'a.npz', stored)
    for row in range(3):
        points = TRANSFORMS.build({'type': 'LoadShape'})(frame(tmp_path / 'a.npz', row))['points']
        assert isinstance(points, DepthPoints)
        assert points.tensor.numpy().dtype == np.float32
        np.testing.assert_array_equal(points.tensor, stored[row].astype(np.float32))


def test_the_coordinate_type_is_a_choice(tmp_path):
    np.savez(tmp_path / 'a.npz', shapes())
    assert isinstance(LoadShape(coord_type='LIDAR')(frame(tmp_path / 'a.npz', 0))['points'], LiDARPoints)


def test_changing_the_points_changes_no_later_ones(tmp_path):
    stored = shapes()
    np.savez(tmp_path / 'a.npz', stored)
    for _ in range(2):
        points = LoadShape()(frame(tmp_path / 'a.npz', 1))['points']
        np.testing.assert_array_equal(points.tensor, stored[1])
        points.translate(np.ones(3))
    with pytest.raises(ValueError, match='read-only'):
        read_shapes(str(tmp_path / 'a.npz'))[0] = 0


class TestDamage:
    def test_a_truncated_archive_is_named(self, tmp_path):
        np.savez_compressed(tmp_path / 'whole.npz', shapes())
        whole = (tmp_path / 'whole.npz').read_bytes()
        for size in (0, 10, len(whole) // 2, len(whole) - 1):
            (tmp_path / 'a.npz').write_bytes(whole[:size])
            with pytest.raises(CorruptFrameError, match=r'a\.npz cannot be read.*Restore'):
                LoadShape()(frame(tmp_path / 'a.npz', 0))

    @pytest.mark.parametrize('save', [np.savez, np.savez_compressed])
    def test_a_flipped_byte_is_found(self, tmp_path, save):
        save(tmp_path / 'a.npz', shapes(100))
        content = bytearray((tmp_path / 'a.npz').read_bytes())
        content[len(content) // 2] ^= 0xFF
        (tmp_path / 'a.npz').write_bytes(content)
        with pytest.raises(CorruptFrameError, match=r'a\.npz cannot be read'):
            LoadShape()(frame(tmp_path / 'a.npz', 0))

    def test_what_is_no_archive_is_named(self, tmp_path):
        buffer = io.BytesIO()
        np.save(buffer, shapes())
        (tmp_path / 'array.npz').write_bytes(buffer.getvalue())
        with zipfile.ZipFile(tmp_path / 'other.npz', 'w') as archive:
            archive.writestr('readme.txt', 'no array')
        (tmp_path / 'folder.npz').mkdir()
        for name in ('array', 'other', 'folder', 'nowhere'):
            with pytest.raises(CorruptFrameError, match=rf'{name}\.npz cannot be read'):
                LoadShape()(frame(tmp_path / f'{name}.npz', 0))

    def test_nothing_is_unpickled(self, tmp_path):
        class Bomb:
            def __reduce__(self):
                return (tmp_path / 'touched').touch, ()

        objects = np.empty((1, 1, 3), object)
        objects[:] = Bomb()
        np.savez(tmp_path / 'a.npz', points=objects)
        with pytest.raises(CorruptFrameError, match='holds no arrays'):
            LoadShape()(frame(tmp_path / 'a.npz', 0))
        with pytest.raises(CorruptFrameError, match='cannot be read'):
            read_array(str(tmp_path / 'a.npz'), 'points')
        assert not (tmp_path / 'touched').exists()

    @pytest.mark.parametrize('value', [1.01e9, -1e30])
    def test_a_shape_beyond_any_size_is_named(self, tmp_path, value):
        stored = shapes()
        stored[1, :2, 0] = value
        np.savez(tmp_path / 'a.npz', stored)
        with pytest.raises(CorruptFrameError, match=r'a\.npz: shape 1 holds coordinates beyond 1e.09 in 2 of 5 point'):
            LoadShape()(frame(tmp_path / 'a.npz', 1))

    def test_what_float32_cannot_hold_is_named_without_a_warning(self, tmp_path, recwarn):
        stored = shapes(dtype=np.float64)
        stored[1, 0, 0] = 1e300
        np.savez(tmp_path / 'a.npz', stored)
        with pytest.raises(CorruptFrameError, match=r'a\.npz: shape 1 holds NaN or Inf in 1 of 5 points'):
            LoadShape()(frame(tmp_path / 'a.npz', 1))
        assert not recwarn

    def test_an_array_that_announces_more_than_there_is_memory_is_named(self, tmp_path):
        buffer = io.BytesIO()
        np.lib.format.write_array_header_1_0(buffer, {'descr': '<f4', 'fortran_order': False, 'shape': (2**45, 9, 3)})
        with zipfile.ZipFile(tmp_path / 'a.npz', 'w') as archive:
            archive.writestr('points.npy', buffer.getvalue())
        with pytest.raises(CorruptFrameError, match=r'a\.npz cannot be read'):
            LoadShape()(frame(tmp_path / 'a.npz', 1))

    @pytest.mark.parametrize('how', ['link', 'storage', 'virtual'])
    def test_an_hdf5_file_opens_no_other_file(self, tmp_path, how):
        with h5py.File(tmp_path / 'secret.h5', 'w') as file:
            file['data'] = shapes()
        with h5py.File(tmp_path / 'a.h5', 'w') as file:
            if how == 'link':
                file['data'] = h5py.ExternalLink(str(tmp_path / 'secret.h5'), '/data')
            elif how == 'storage':
                external = [(str(tmp_path / 'secret.h5'), 0, 3 * 5 * 3 * 4)]
                file.create_dataset('data', (3, 5, 3), 'f4', external=external)
            else:
                layout = h5py.VirtualLayout((3, 5, 3), 'f4')
                layout[:] = h5py.VirtualSource(str(tmp_path / 'secret.h5'), 'data', (3, 5, 3))
                file.create_virtual_dataset('data', layout)
        with pytest.raises(CorruptFrameError, match=r"a\.h5 cannot be read .*'data' is .* another file"):
            LoadShape()(frame(tmp_path / 'a.h5', 1))

    @pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
    def test_a_shape_with_nan_or_inf_is_named_and_the_others_are_fine(self, tmp_path, value):
        stored = shapes()
        stored[1, :2, 0] = value
        np.savez(tmp_path / 'a.npz', stored)
        with pytest.raises(CorruptFrameError, match=r'a\.npz: shape 1 holds NaN or Inf in 2 of 5 points'):
            LoadShape()(frame(tmp_path / 'a.npz', 1))
        assert len(LoadShape()(frame(tmp_path / 'a.npz', 2))['points']) == 5

    def test_a_row_that_is_not_there_is_named(self, tmp_path):
        np.savez(tmp_path / 'a.npz', shapes())
        with pytest.raises(CorruptFrameError, match=r'a\.npz has no shape 3: it holds 3\..*rebuild the sequence index'):
            LoadShape()(frame(tmp_path / 'a.npz', 3))


class TestDispatch:
    def test_rows_of_both_kinds_of_archives(self, tmp_path):
        stored = shapes()
        np.savez(tmp_path / 'a.npz', stored)
        with h5py.File(tmp_path / 'b.h5', 'w') as file:
            file['data'] = -stored
        np.testing.assert_array_equal(LoadShape()(frame(tmp_path / 'a.npz', 2))['points'].tensor, stored[2])
        np.testing.assert_array_equal(LoadShape()(frame(tmp_path / 'b.h5', 2))['points'].tensor, -stored[2])

    def test_files_by_their_names(self, tmp_path):
        (tmp_path / 'a.txt').write_text('1,2,3\n')
        (tmp_path / 'b.OFF').write_text('OFF\n3 1 0\n0 0 5\n1 0 5\n0 1 5\n3 0 1 2\n')
        load = LoadShape(mesh_points=7)
        text = load({'lidar_points': {'lidar_path': str(tmp_path / 'a.txt')}})['points']
        assert text.tensor.tolist() == [[1, 2, 3]]
        mesh = load({'lidar_points': {'lidar_path': str(tmp_path / 'b.OFF')}})['points']
        assert mesh.shape == (7, 3)
        assert (mesh.tensor[:, 2] == 5).all()

    def test_a_mesh_is_parsed_once_and_its_points_are_not_changed(self, tmp_path):
        path = tmp_path / 'a.off'
        path.write_text('OFF\n3 1 0\n0 0 5\n1 0 5\n0 1 5\n3 0 1 2\n')
        results = {'lidar_points': {'lidar_path': str(path)}}
        first = LoadShape()(dict(results))['points']
        kept = first.tensor.clone()
        path.unlink()
        first.translate(np.ones(3))
        np.testing.assert_array_equal(LoadShape()(dict(results))['points'].tensor, kept)

    def test_nan_in_a_text_file_is_named(self, tmp_path):
        (tmp_path / 'a.txt').write_text('1,2,3\nnan,0,0\n')
        with pytest.raises(CorruptFrameError, match=r'a\.txt holds NaN or Inf in 1 of 2 points'):
            LoadShape()({'lidar_points': {'lidar_path': str(tmp_path / 'a.txt')}})

    def test_a_number_of_points_that_cannot_be(self):
        with pytest.raises(ValueError, match='mesh_points must be at least 1, got 0'):
            LoadShape(mesh_points=0)


@pytest.mark.parametrize('results', [{'lidar_points': {'lidar_path': '0.bin'}}, {'depth_frame': {}}])
def test_another_kind_of_frame_is_an_error_of_the_config(results):
    with pytest.raises(ValueError, match='LoadFrame and depth images with LoadDepthFrame') as error:
        LoadShape()(results)
    assert not isinstance(error.value, CorruptFrameError)
