"""OFF, OBJ and PLY files, exactly as they are: as trimesh reads them, and refused where it is lenient."""

from __future__ import annotations

import struct
from itertools import pairwise

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st

from strl_mmdet3d.datasets.readers.mesh_file import parse_mesh

CORNERS = '0 0 0\n1 0 0\n0 1 0\n1 1 0\n'


@pytest.mark.parametrize(
    ('suffix', 'options'),
    [('off', {}), ('obj', {}), ('ply', {'encoding': 'ascii'}), ('ply', {'encoding': 'binary'})],
)
def test_what_trimesh_writes_is_read(suffix, options):
    whole = trimesh.creation.icosphere(2)
    content = whole.export(file_type=suffix, **options)
    mesh = parse_mesh(content.encode() if isinstance(content, str) else content, f'.{suffix}')
    np.testing.assert_allclose(mesh.vertices, whole.vertices, atol=1e-7)
    np.testing.assert_array_equal(mesh.triangles, whole.faces)


def ply(order, faces, vertices=5, header=''):
    """A PLY with a value before and behind the corners of a face, and an element that nobody needs."""
    lines = f"""ply
format {order} 1.0
comment a comment
element vertex {vertices}
property double x
property float y
property uchar red
property float z
element face {len(faces)}
property uchar group
property list uchar int vertex_indices
property short end
{header}element edge 1
property int from
end_header
""".encode()
    for n in range(vertices):
        lines += f'{n} 0.5 7 {-n}\n'.encode() if order == 'ascii' else b''
        if order != 'ascii':
            lines += struct.pack(f'{ORDERS[order]}dfBf', n, 0.5, 7, -n)
    for corners in faces:
        if order == 'ascii':
            lines += f'1 {len(corners)} {" ".join(map(str, corners))} -3\n'.encode()
        else:
            lines += struct.pack(f'{ORDERS[order]}BB{len(corners)}ih', 1, len(corners), *corners, -3)
    return lines + (b'8\n' if order == 'ascii' else struct.pack(f'{ORDERS[order]}i', 8))


ORDERS = {'ascii': '', 'binary_little_endian': '<', 'binary_big_endian': '>'}


@given(st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=6), max_size=9), st.sampled_from(sorted(ORDERS)))
def test_a_ply_of_any_polygons(faces, order):
    mesh = parse_mesh(ply(order, faces), '.ply')
    np.testing.assert_array_equal(mesh.vertices, [[n, 0.5, -n] for n in range(5)])
    fans = [[corners[0], *pair] for corners in faces for pair in pairwise(corners[1:])]
    assert mesh.triangles.tolist() == fans


def test_many_faces_in_blocks_of_equal_ones():
    faces = [[0, 1, 2]] * 700 + [[0, 1, 2, 3]] * 3 + [[4, 3, 2]]
    assert len(parse_mesh(ply('binary_little_endian', faces), '.ply').triangles) == 707


CUT = r'(announced|ends before|bytes more than|where|end_header|header has|no format|invalid literal)'


@pytest.mark.parametrize('order', ORDERS)
def test_a_ply_that_was_cut_or_prolonged_is_refused(order):
    whole = ply(order, [[0, 1, 2], [0, 1, 2, 3]])
    for size in range(len(whole) - 2):
        with pytest.raises(ValueError, match=CUT):
            parse_mesh(whole[:size], '.ply')
    for more in (b'\x01', b'5\n'):
        with pytest.raises(ValueError, match=r'(bytes more than|announced|int)'):
            parse_mesh(whole + more + b'!', '.ply')


@pytest.mark.parametrize(
    ('old', 'new', 'said'),
    [
        ('element face 2', 'element face 999999999', '(announced|ends before)'),
        ('element face 2', 'element face -2', 'its header has the line'),
        ('element face 2', 'element face 1', '(announced|bytes more|where)'),
        ('element vertex 5', 'element vertex 999999999', '(announced|ends before)'),
        ('property list uchar int', 'property list uchar float', 'not lists of integers'),
        ('property list uchar int', 'property list float int', 'its header has the line'),
        ('property list uchar int vertex_indices', 'property int vertex_indices', 'not lists of integers'),
        ('property double x', 'property double w', 'no x, y, z'),
        ('property double x', 'property double128 x', 'its header has the line'),
        ('element vertex 5\n', '', 'its header has the line'),
        ('end_header', 'end', "no 'end_header'"),
        ('ply\n', 'plz\n', 'its header has the line'),
    ],
)
@pytest.mark.parametrize('order', ORDERS)
def test_a_header_that_is_not_true_is_refused(old, new, said, order):
    whole = ply(order, [[0, 1, 2], [0, 1, 3]])
    with pytest.raises(ValueError, match=said):
        parse_mesh(whole.replace(old.encode(), new.encode(), 1), '.ply')


def test_corners_are_counted_from_1_or_back_in_an_obj():
    text = 'mtllib lost.mtl\no a\ng b\ns off\nusemtl c\nvt 0 0\nvn 0 0 1\n\n'
    text += 'v 0 0 0\nv 1 0 0\nv 0 1 0 # a comment\nf 1/2/3 2//3 3\nv 1 1 1\nf -4 -3 \\\n-1\nf -1 -2 -3 -4\n'
    mesh = parse_mesh(text.encode(), '.obj')
    assert mesh.triangles.tolist() == [[0, 1, 2], [0, 1, 3], [3, 2, 1], [3, 1, 0]]


@pytest.mark.parametrize(
    ('suffix', 'text', 'said'),
    [
        ('.off', f'OFF\n4 999999999 0\n{CORNERS}3 0 1 2\n', '1000000003 lines announced, 5 found'),
        ('.off', f'OFF\n4 1 0\n{CORNERS}3 0 1 2\n3 1 2 3\n', '5 lines announced, 6 found'),
        ('.off', f'OFF\n4 2 0\n{CORNERS}3 0 1 2\n', '6 lines announced, 5 found'),
        ('.off', f'OFF\n5 1 0\n{CORNERS}3 0 1 2\n3 0 1 2\n', 'does not have three coordinates'),
        ('.off', f'OFF\n4 -1 0\n{CORNERS}3 0 1 2\n', "its counts are '4 -1 0'"),
        ('.off', f'OFF\n-4 1 0\n{CORNERS}3 0 1 2\n', "its counts are '-4 1 0'"),
        ('.off', f'OFF\n4\n{CORNERS}3 0 1 2\n', "its counts are '4'"),
        ('.off', f'OFF\n4 1 0\n{CORNERS}4 0 1 2\n', 'announces 4 corners and has 3'),
        ('.off', f'OFF\n4 1 0\n{CORNERS}2 0 1\n', 'fewer than three corners'),
        ('.off', f'OFF\n4 1 0\n{CORNERS}-3 0 1 2\n', 'fewer than three corners'),
        ('.off', f'OFF\n4 1 0\n{CORNERS[:-3]}\n3 0 1 2\n', 'does not have three coordinates'),
        ('.off', f'OFF\n4 1 0\n{CORNERS}3 0 1 4\n', 'that it does not have'),
        ('.off', f'OFF\n4 1 0\n{CORNERS}3 0 1 -1\n', 'that it does not have'),
        ('.off', f'OFF\n4 1 0\n{CORNERS}3 0 1 99999999999999999999\n', 'too large'),
        ('.off', f'no OFF\n4 1 0\n{CORNERS}3 0 1 2\n', "does not begin with 'OFF'"),
        ('.off', f'OFF\n4 1 0\n{CORNERS}3 0 1 2\x0c\x85\n', 'not text'),
        ('.off', '', "does not begin with 'OFF'"),
        ('.obj', 'v 0 0 0\nv 1 0 0\nv 0 1 0\nf 0 1 2\n', 'counted from 1'),
        ('.obj', 'v 0 0 0\nv 1 0 0\nv 0 1 0\nf -4 1 2\n', 'counted from 1'),
        ('.obj', 'v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 4\n', 'that it does not have'),
        ('.obj', 'v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2\n', 'fewer than three corners'),
        ('.obj', 'v 0 0 0\nv 1 0 0\nv 0 1\nf 1 2 3\n', 'vertex 3 has 2 coordinates'),
        ('.obj', 'v 0 0 0\nv 1 0 0\nv 0 1 x\nf 1 2 3\n', 'could not convert'),
        ('.obj', 'v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 x\n', 'invalid literal'),
        ('.obj', 'v 0 0 0\n\0', 'not text'),
        ('.obj', 'v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\nf01 2 3\n', "its line b'f01 2 3' is not one of an OBJ file"),
    ],
)
def test_what_does_not_fit_is_refused(suffix, text, said):
    with pytest.raises((ValueError, OverflowError), match=said):
        parse_mesh(text.encode('latin1'), suffix)
