"""Points on meshes: even over the surface, the same every time, and damaged files."""

from __future__ import annotations

import shutil
import sys

import numpy as np
import pytest
import trimesh

from strl_mmdet3d.datasets.readers.frame_file import CorruptFrameError
from strl_mmdet3d.datasets.readers.shape_mesh import is_mesh, read_mesh
from strl_mmdet3d.extras import MissingExtraError

TRIANGLE = '3 1 0\n0 0 5\n2 0 5\n0 2 5\n3 0 1 2\n'


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


@pytest.fixture(scope='module')
def box():
    """A box of 1 x 1 x 3 at the origin. The two small faces are 2 of its surface of 14."""
    return trimesh.creation.box(bounds=[[0, 0, 0], [1, 1, 3]])


@pytest.mark.parametrize(
    ('suffix', 'options'),
    [('off', {}), ('obj', {}), ('ply', {'encoding': 'ascii'}), ('ply', {'encoding': 'binary'})],
)
def test_points_lie_on_the_surface_spread_by_area(tmp_path, box, suffix, options):
    box.export(tmp_path / f'a.{suffix}', **options)
    points = read_mesh(str(tmp_path / f'a.{suffix}'), 20000)
    assert (points.shape, points.dtype) == ((20000, 3), np.float32)
    on_a_face = np.isclose(points, [0, 0, 0], atol=1e-6) | np.isclose(points, [1, 1, 3], atol=1e-6)
    assert on_a_face.any(1).all()
    # Three standard deviations are 0.0074.
    assert on_a_face[:, 2].mean() == pytest.approx(2 / 14, abs=0.008)
    assert points.mean(0) == pytest.approx([0.5, 0.5, 1.5], abs=0.03)


@pytest.mark.parametrize('header', ['OFF\n', 'OFF', 'OFF ', '# a comment\nOFF\n# another OFF\n', '\nOFF\r\n'])
def test_modelnets_broken_headers_are_read(tmp_path, header):
    points = read_mesh(write(tmp_path / 'a.off', header + TRIANGLE), 50)
    assert (points[:, 2] == 5).all()
    assert (points[:, :2] >= 0).all()
    assert (points[:, :2].sum(1) <= 2 + 1e-6).all()


def test_polygons_are_triangulated(tmp_path):
    square = 'OFF\n4 1 0\n0 0 0\n1 0 0\n1 1 0\n0 1 0\n4 0 1 2 3\n'
    points = read_mesh(write(tmp_path / 'a.off', square), 4000)
    assert points[:, :2].mean(0) == pytest.approx([0.5, 0.5], abs=0.02)
    assert np.mean(points[:, 0] > points[:, 1]) == pytest.approx(0.5, abs=0.03)


def test_an_obj_of_several_groups_with_lost_materials(tmp_path):
    text = 'mtllib lost.mtl\n' + ''.join(
        f'o part{z}\nusemtl m{z}\nv 0 0 {z}\nv 1 0 {z}\nv 0 1 {z}\nf {3 * z + 1} {3 * z + 2} {3 * z + 3}\n'
        for z in (0, 1)
    )
    points = read_mesh(write(tmp_path / 'a.obj', text), 2000)
    assert set(points[:, 2]) == {0, 1}
    assert points[:, 2].mean() == pytest.approx(0.5, abs=0.04)


def test_the_draw_depends_on_the_content_alone(tmp_path, box):
    box.export(tmp_path / 'a.off')
    (tmp_path / 'elsewhere').mkdir()
    shutil.copy(tmp_path / 'a.off', tmp_path / 'elsewhere/b.off')
    first = read_mesh(str(tmp_path / 'a.off'), 100)
    np.random.seed(1)
    np.testing.assert_array_equal(read_mesh(str(tmp_path / 'elsewhere/b.off'), 100), first)
    trimesh.creation.box(bounds=[[0, 0, 0], [1, 1, 2]]).export(tmp_path / 'c.off')
    assert not np.allclose(read_mesh(str(tmp_path / 'c.off'), 100)[:, 0], first[:, 0])


@pytest.mark.parametrize(
    ('name', 'content', 'message'),
    [
        ('a.off', '', 'cannot be read as a mesh'),
        ('a.obj', '', '(cannot be read|no faces)'),
        ('a.ply', '', 'cannot be read as a mesh'),
        ('a.off', 'OFF\n', 'cannot be read as a mesh'),
        ('a.off', b'\x00\xff\xfe', 'cannot be read as a mesh'),
        ('a.off', 'OFF\n3 2 0\n0 0 5\n2 0 5\n0 2 5\n3 0 1 2\n', '5 lines announced, 4 found'),
        ('a.off', 'OFF\n3 1 0\n0 0 5\n2 0 5\n0 2\n3 0 1 2\n', 'cannot be read as a mesh'),
        ('a.off', 'OFF\n3 1 0\n0 0 nan\n2 0 5\n0 2 5\n3 0 1 2\n', 'NaN or Inf'),
        ('a.off', 'OFF\n3 1 0\n0 0 5\n2 0 5\n0 2 5\n3 0 1 3\n', '(cannot be read|that it does not have)'),
        ('a.off', 'OFF\n3 1 0\n0 0 5\n2 0 5\n4 0 5\n3 0 1 2\n', 'a surface of area 0'),
        ('a.off', 'OFF\n3 0 0\n0 0 5\n2 0 5\n0 2 5\n', 'no faces'),
        ('a.obj', 'v 0 0 0\nv 1 0 0\nv 0 1 0\n', '(cannot be read|no faces)'),
        ('a.obj', 'v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n', '(cannot be read|that it does not have)'),
    ],
)
def test_damaged_files_are_named(tmp_path, name, content, message):
    with pytest.raises(CorruptFrameError, match=rf'{name} .*{message}.*Restore'):
        read_mesh(write(tmp_path / name, content), 10)


@pytest.mark.parametrize('encoding', ['ascii', 'binary'])
def test_a_ply_that_was_cut_off_is_named(tmp_path, box, encoding):
    box.export(tmp_path / 'whole.ply', encoding=encoding)
    whole = (tmp_path / 'whole.ply').read_bytes()
    for size in (50, len(whole) // 2, len(whole) - 20):
        with pytest.raises(CorruptFrameError, match=r'a\.ply'):
            read_mesh(write(tmp_path / 'a.ply', whole[:size]), 10)


def test_points_alone_have_no_surface(tmp_path):
    trimesh.PointCloud(np.eye(3)).export(tmp_path / 'a.ply')
    with pytest.raises(CorruptFrameError, match=r'a\.ply has no faces'):
        read_mesh(str(tmp_path / 'a.ply'), 10)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CorruptFrameError, match=r'nowhere\.off cannot be read'):
        read_mesh(str(tmp_path / 'nowhere.off'), 10)


def test_without_trimesh_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'trimesh', None)
    with pytest.raises(MissingExtraError, match=r"trimesh is not installed.*pip install 'strl_mmdet3d\[probe\]'"):
        read_mesh(write(tmp_path / 'a.off', 'OFF\n' + TRIANGLE), 10)


def test_meshes_are_known_by_their_names():
    assert [name for name in ('a.off', 'a.OBJ', 'b/a.ply', 'a.txt', 'off', 'a.npz/1') if is_mesh(name)] == [
        'a.off',
        'a.OBJ',
        'b/a.ply',
    ]
