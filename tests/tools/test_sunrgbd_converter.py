"""The geometry of SUN RGB-D: by hand, against the toolbox's definition of a box, and on a real frame's points."""

from __future__ import annotations

import json
import math
import pickle

import numpy as np
import pytest
from dataset_converters.sunrgbd import (
    COMPLETE,
    OUTPUTS,
    RECORD,
    SunRgbdError,
    back_project,
    decode_depth,
    finish_killed_run,
    prepared_whole,
    read_instances,
    refuse_prepared,
)
from hypothesis import given
from hypothesis import strategies as st
from mmdet3d.structures import DepthInstance3DBoxes
from PIL import Image
from scipy.linalg import rq
from scipy.spatial.transform import Rotation

K = np.array([[500.0, 0.0, 320.0], [0.0, 510.0, 240.0], [0.0, 0.0, 1.0]])
DEPTH_TO_CAMERA = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])


def pixels_of(points: np.ndarray, depth2img: np.ndarray) -> np.ndarray:
    """Columns and rows, counted from 1, and depth in metres of points (N, 3)."""
    projected = points @ depth2img.T
    return np.column_stack([projected[:, :2] / projected[:, 2:], projected[:, 2]])


@given(st.integers(0, 0xFFFF))
def test_depth_is_millimetres_rotated_by_three_bits(millimetres):
    encoded = (millimetres << 3 | millimetres >> 13) & 0xFFFF

    decoded = decode_depth(np.array([[encoded]], np.uint16))

    assert decoded.item() == min(millimetres / 1000, 8.0)


def test_axes_by_hand():
    # The 20th column of the 3rd row from the principal point, 2 m ahead.
    points = back_project(np.array([239 + 3]), np.array([319 + 20]), np.array([2.0]), K, np.eye(3))

    np.testing.assert_allclose(points, [[20 * 2 / 500, 2.0, -3 * 2 / 510]])


def test_camera_that_looks_down_is_made_upright():
    # 30 degrees down: what is straight ahead of the camera is in front of it, and below it.
    rtilt = Rotation.from_euler('x', -30, degrees=True).as_matrix()

    points = back_project(np.array([239]), np.array([319]), np.array([2.0]), K, rtilt)

    np.testing.assert_allclose(points, [[0, 2 * math.cos(math.pi / 6), -1]], atol=1e-12)


@given(
    st.integers(0, 479),
    st.integers(0, 639),
    st.floats(0.001, 8),
    st.tuples(*[st.floats(-0.5, 0.5)] * 3).map(lambda angles: Rotation.from_rotvec(angles).as_matrix()),
)
def test_projection_gives_the_pixel_back(row, column, depth, rtilt):
    points = back_project(np.array([row]), np.array([column]), np.array([depth]), K, rtilt)

    pixels = pixels_of(points, K @ DEPTH_TO_CAMERA @ rtilt.T)

    np.testing.assert_allclose(pixels, [[column + 1, row + 1, depth]], rtol=1e-9)


def labels(name='chair', angle=0.3, **changes):
    """A box of the official labels, with the axes of its basis, and its 2D box."""
    facing = np.array([math.cos(angle), math.sin(angle), 0.0])
    across = np.array([-math.sin(angle), math.cos(angle), 0.0])
    box = dict(
        classname=name,
        centroid=np.array([0.5, 2.0, -0.4]),
        coeffs=np.array([0.2, 0.7, 0.45]),
        basis=np.stack([across, facing, [0.0, 0.0, 1.0]]),
        orientation=facing,
    )
    return box | changes, dict(classname=name, gtBb2D=np.array([10, 20, 30, 40], np.uint8))


def test_instance_by_hand():
    box, box_2d = labels('table', angle=math.pi / 2)

    instances, left_out = read_instances([box], [box_2d])

    assert left_out == []
    (instance,) = instances
    assert instance['bbox_label'] == instance['bbox_label_3d'] == 1
    assert instance['bbox'] == [10, 20, 40, 60]
    np.testing.assert_allclose(instance['bbox_3d'], [0.5, 2.0, -0.4, 1.4, 0.4, 0.9, math.pi / 2])
    assert all(type(value) is float for value in instance['bbox_3d'] + instance['bbox'])


@given(st.floats(-math.pi, math.pi), st.tuples(*[st.sampled_from([-1, 1])] * 3))
def test_corners_are_the_toolbox_s(angle, signs):
    """The toolbox draws a box as centroid +- coeffs[i] * basis[i]; the sign of a coefficient has no meaning."""
    box, box_2d = labels(angle=angle)
    box['coeffs'] = box['coeffs'] * signs
    around = np.stack(np.meshgrid(*[[-1, 1]] * 3), axis=-1).reshape(-1, 3)
    expected = box['centroid'] + (around * box['coeffs']) @ box['basis']

    (instance,), _ = read_instances([box], [box_2d])

    ours = DepthInstance3DBoxes(np.array([instance['bbox_3d']]), origin=(0.5, 0.5, 0.5)).corners[0].numpy()
    distances = np.linalg.norm(ours[:, None] - expected, axis=-1)
    assert distances.min(axis=0).max() < 1e-5
    assert distances.min(axis=1).max() < 1e-5


def test_other_classes_and_unusable_labels_are_left_out():
    other, chair, no_size = labels('pillow'), labels('chair'), labels('sofa', coeffs=np.array([]))
    not_finite = labels('desk', centroid=np.array([0.0, np.nan, 0.0]))
    no_2d = labels('bed')[0], dict(classname='bed', gtBb2D=np.array([]))
    pairs = [other, chair, no_size, not_finite, no_2d, labels('toilet')]
    boxes_3d, boxes_2d = map(list, zip(*pairs, strict=True))

    # The last one has no 2D entry at all.
    instances, left_out = read_instances(boxes_3d, boxes_2d[:-1])

    assert [instance['bbox_label'] for instance in instances] == [3]
    assert [line.split(',')[0] for line in left_out] == [f'object {i}' for i in (3, 4, 5, 6)]


def test_2d_box_of_another_class_is_not_taken():
    instances, left_out = read_instances([labels('chair')[0]], [labels('sofa')[1]])

    assert instances == []
    assert 'no 2D box' in left_out[0]


def fail_within(out):
    """A run that fills up the disk."""
    with prepared_whole(out) as folder:
        (folder / 'points').mkdir()
        raise OSError('disk full')


def test_nothing_is_left_of_a_run_that_fails(tmp_path):
    (tmp_path / 'OFFICIAL_SUNRGBD').mkdir()

    with pytest.raises(OSError, match='disk full'):
        fail_within(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ['OFFICIAL_SUNRGBD']


@pytest.mark.parametrize('name', OUTPUTS[:4])
def test_prepared_data_of_others_is_not_overwritten(tmp_path, name):
    (tmp_path / name).mkdir()

    said = f'{name} exists already, and no .* Delete {name} in'
    with pytest.raises(SunRgbdError, match=said), prepared_whole(tmp_path):
        pytest.fail('it must not get here')


def fill(folder):
    for name in OUTPUTS[:2]:
        (folder / name).mkdir()
        (folder / name / '000001.bin').write_text(name)
    for name in OUTPUTS[2:4]:
        (folder / name).write_text(name)


def test_outputs_arrive_only_when_all_are_written(tmp_path):
    (tmp_path / '..complete_sunrgbd.99999999.part').mkdir()
    (tmp_path / 'OFFICIAL_SUNRGBD').mkdir()
    with prepared_whole(tmp_path) as folder:
        fill(folder)
        assert not any((tmp_path / name).exists() for name in OUTPUTS)
    names = {path.name for path in tmp_path.iterdir()} - {'..complete_sunrgbd.99999999.part'}
    assert names == {'OFFICIAL_SUNRGBD', *OUTPUTS}
    assert json.loads((tmp_path / RECORD).read_text())['files'] == {
        'points/000001.bin': 6,
        'sunrgbd_infos_train.pkl': 23,
        'sunrgbd_infos_val.pkl': 21,
        'sunrgbd_trainval/000001.bin': 16,
    }


@pytest.mark.parametrize('moved', range(len(OUTPUTS) + 1))
def test_a_run_that_was_killed_while_it_moved_its_outputs_is_finished(tmp_path, moved):
    with prepared_whole(tmp_path) as folder:
        fill(folder)
    (tmp_path / COMPLETE).mkdir()
    for name in OUTPUTS[moved:]:
        (tmp_path / name).rename(tmp_path / COMPLETE / name)

    assert finish_killed_run(tmp_path) == (moved < len(OUTPUTS))

    assert {path.name for path in tmp_path.iterdir()} == set(OUTPUTS)
    with pytest.raises(SunRgbdError, match=r'holds all 4 prepared files\. Delete'):
        refuse_prepared(tmp_path)


def test_what_a_killed_run_had_not_finished_is_removed(tmp_path):
    (tmp_path / COMPLETE / 'points').mkdir(parents=True)
    assert not finish_killed_run(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert not finish_killed_run(tmp_path / 'missing')


def test_the_outputs_of_a_killed_run_replace_nothing(tmp_path):
    with prepared_whole(tmp_path) as folder:
        fill(folder)
    (tmp_path / COMPLETE).mkdir()
    for name in OUTPUTS:
        (tmp_path / name).rename(tmp_path / COMPLETE / name)
    (tmp_path / 'points').mkdir()
    with pytest.raises(SunRgbdError, match=r'points is in the way of .*points\. Delete one of the two'):
        finish_killed_run(tmp_path)


@pytest.mark.parametrize(
    ('lose', 'said'),
    [
        (lambda out: (out / 'points/000001.bin').unlink(), r'1 of 4 files .* points/000001.bin is missing'),
        (lambda out: (out / 'points/000001.bin').write_text(''), r'points/000001.bin has 0 bytes instead of 6'),
        (lambda out: (out / 'sunrgbd_infos_val.pkl').unlink(), r'sunrgbd_infos_val.pkl is missing'),
        (lambda out: (out / 'points/000002.bin').write_text(''), r'all 4 .*, and 1 others, such as points/000002'),
        (lambda out: (out / RECORD).write_text('{"files": '), r'sunrgbd.json is damaged'),
        (lambda out: (out / RECORD).write_text('[]'), r'sunrgbd.json is damaged'),
        (lambda out: (out / RECORD).write_text('{"files": {"../x": 1}}'), r'sunrgbd.json is damaged'),
        (lambda out: (out / RECORD).unlink(), r'points exists already, and no .prepared_sunrgbd.json says'),
    ],
)
def test_prepared_data_is_refused_with_what_it_has_lost(tmp_path, lose, said):
    with prepared_whole(tmp_path) as folder:
        fill(folder)
    lose(tmp_path)
    with pytest.raises(SunRgbdError, match=rf'{said}.* Delete points, sunrgbd_trainval, .* or choose another --out'):
        refuse_prepared(tmp_path)


@pytest.mark.real
def test_real_points_lie_on_the_pixels_that_we_back_project(real_data):
    """mmdet3d's sample 000017 came through MATLAB; its colour image is the one that the samples name 000001.jpg.

    Its calibration was rounded to five digits, hence the tolerances.
    """
    folder = real_data / 'mmdet3d_samples' / 'sunrgbd'
    with (folder / 'sunrgbd_000017_infos.pkl').open('rb') as file:
        camera = pickle.load(file)['data_list'][0]['images']['CAM0']
    points = np.fromfile(folder / '000017.bin', np.float32).reshape(-1, 6).astype(np.float64)
    intrinsics, rotation = rq(np.array(camera['depth2img']))
    rtilt = (DEPTH_TO_CAMERA.T @ rotation).T

    pixels = pixels_of(points[:, :3], np.array(camera['depth2img']))
    columns, rows = np.round(pixels[:, 0]).astype(int), np.round(pixels[:, 1]).astype(int)
    millimetres = np.round(pixels[:, 2] * 1000)

    # Every point is on a whole pixel, counted from 1 to the image's size, and a whole number of millimetres away.
    assert np.abs(pixels[:, 0] - columns).max() < 0.005
    assert np.abs(pixels[:, 1] - rows).max() < 0.005
    assert np.abs(pixels[:, 2] * 1000 - millimetres).max() < 0.01
    assert (columns.min(), columns.max()) == (1, camera['width'])
    assert (rows.min(), rows.max()) == (1, camera['height'])
    # Its colour is that of the very pixel, all 50,000 of them.
    image = np.asarray(Image.open(folder / 'sunrgbd_trainval' / 'image' / '000001.jpg').convert('RGB'))
    np.testing.assert_array_equal(image[rows - 1, columns - 1] / np.float32(255), points[:, 3:].astype(np.float32))
    # And back: from whole pixels and millimetres to the points.
    ours = back_project(rows - 1, columns - 1, millimetres / 1000, intrinsics, rtilt)
    assert np.linalg.norm(ours - points[:, :3], axis=1).max() < 1e-4
