"""Depth frames: the geometry against hand-computed points and a projection back, the draws, and damaged files."""

from __future__ import annotations

import numpy as np
import pytest
from depth_data import INTRINSICS, camera_pose, depth_image
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet3d.datasets.transforms import LoadPointsFromFile
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures import DepthPoints
from PIL import Image
from scipy import stats

from strl_mmdet3d.datasets.readers.frame_file import CorruptFrameError
from strl_mmdet3d.datasets.transforms.load_depth import LoadDepthFrame, back_project, pixel_rays


def frame(path, depth, intrinsics=INTRINSICS, camera2view=None):
    """Write a depth image, and return the results dict for it."""
    Image.fromarray(np.asarray(depth, dtype=np.uint16)).save(path)
    camera2view = np.eye(4) if camera2view is None else camera2view
    return {'depth_frame': {'depth_path': str(path), 'intrinsics': intrinsics, 'camera2view': camera2view}}


def intrinsics_of(shape):
    """Return the intrinsics of a camera with images of this shape (H, W)."""
    return np.array([[40.0, 0, (shape[1] - 1) / 2], [0, 40.0, (shape[0] - 1) / 2], [0, 0, 1]])


def test_points_by_hand(tmp_path):
    """fx 2, fy 4, centre (1, 0.5): the pixels (0, 0), (2, 0) and (1, 1) at 1, 2 and 4 m; the others saw nothing."""
    results = frame(
        tmp_path / '0.png', [[1000, 0, 2000], [0, 4000, 0]], np.array([[2.0, 0, 1], [0, 4, 0.5], [0, 0, 1]])
    )
    points = TRANSFORMS.build({'type': 'LoadDepthFrame'})(results)['points']
    assert isinstance(points, DepthPoints)
    assert points.tensor.numpy().dtype == np.float32
    np.testing.assert_allclose(points.tensor, [[-0.5, -0.125, 1], [1, -0.25, 2], [0, 0.5, 4]], atol=1e-6)


def test_points_by_hand_in_world_axes(tmp_path):
    """A level camera that looks along the world's y: x stays x, forward is y, down is -z; it stands at (1, 2, 3)."""
    camera2view = np.array([[1.0, 0, 0, 1], [0, 0, 1, 2], [0, -1, 0, 3], [0, 0, 0, 1]])
    intrinsics = np.array([[2.0, 0, 1], [0, 4, 0.5], [0, 0, 1]])
    results = frame(tmp_path / '0.png', [[1000, 0, 2000], [0, 4000, 0]], intrinsics, camera2view)
    points = LoadDepthFrame()(results)['points'].tensor
    np.testing.assert_allclose(points, [[0.5, 3, 3.125], [2, 4, 3.25], [1, 6, 2.5]], atol=1e-6)


def test_skew_and_depth_scale_by_hand(tmp_path):
    """The pixel (2, 1) at 5000 / 5000 m: y = (1 - 0.5) / 4, x = (2 - 1 - 0.8 y) / 2."""
    depth = np.zeros((2, 3))
    depth[1, 2] = 5000
    results = frame(tmp_path / '0.png', depth, np.array([[2.0, 0.8, 1], [0, 4, 0.5], [0, 0, 1]]))
    points = LoadDepthFrame(depth_scale=5000)(results)['points'].tensor
    np.testing.assert_allclose(points, [[0.45, 0.125, 1]], atol=1e-6)


@given(
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    focal=st.tuples(st.floats(10, 2000), st.floats(10, 2000)),
    centre=st.tuples(st.floats(-10, 20), st.floats(-10, 20)),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=60, deadline=None)
def test_points_project_back_to_their_pixels(height, width, focal, centre, seed):
    depth = np.random.default_rng(seed).integers(1, 2**16, (height, width), dtype=np.uint16)
    intrinsics = np.array([[focal[0], 0, centre[0]], [0, focal[1], centre[1]], [0, 0, 1]])
    camera2view = camera_pose(seed)
    points = back_project(depth, pixel_rays(intrinsics, camera2view), camera2view[:3, 3], 1000.0)
    camera = (np.linalg.inv(camera2view) @ np.column_stack([points, np.ones(len(points))]).T)[:3]
    np.testing.assert_allclose(camera[2], depth.ravel() / 1000, rtol=1e-4, atol=1e-4)
    # Back at the pixel, as precise as float32 is for points some 100 m away.
    row, column = np.indices((height, width)).reshape(2, -1)
    expected = np.linalg.inv(intrinsics) @ [column, row, np.ones(row.size)] * depth.ravel() / 1000
    np.testing.assert_allclose(camera, expected, rtol=1e-4, atol=1e-3)


def test_cameras_and_image_sizes_are_not_confused():
    """Values that are kept from one camera must not be used for another, and a caller must not change them."""
    for shape, focal in [((4, 6), 10.0), ((6, 4), 10.0), ((4, 6), 20.0), ((4, 6), 10.0)]:
        intrinsics = np.array([[focal, 0, 0], [0, focal, 0], [0, 0, 1]])
        points = back_project(np.full(shape, 1000, np.uint16), pixel_rays(intrinsics, np.eye(4)), np.zeros(3), 1000.0)
        row, column = np.indices(shape).reshape(2, -1)
        np.testing.assert_allclose(points, np.column_stack([column / focal, row / focal, np.ones(24)]), atol=1e-6)
        points += 1


def test_the_height_is_that_of_the_stock_loader(tmp_path):
    results = frame(tmp_path / '0.png', depth_image(0), camera2view=camera_pose(1))
    plain = LoadDepthFrame()(dict(results))['points'].tensor.numpy()
    points = LoadDepthFrame(height=True)(results)['points']
    plain.tofile(tmp_path / '0.bin')
    stock = LoadPointsFromFile('DEPTH', load_dim=3, use_dim=3, shift_height=True)
    expected = stock({'lidar_points': {'lidar_path': str(tmp_path / '0.bin')}})['points']
    np.testing.assert_array_equal(points.tensor, expected.tensor)
    assert points.tensor.shape == (len(plain), 4)
    assert points.attribute_dims == expected.attribute_dims == {'height': 3}


class TestSubset:
    def test_it_is_one_of_all_points_in_their_order(self, tmp_path):
        results = frame(tmp_path / '0.png', depth_image(0), camera2view=camera_pose(1))
        every = LoadDepthFrame()(dict(results))['points'].tensor.numpy()
        some = LoadDepthFrame(num_points=100)(dict(results))['points'].tensor.numpy()
        assert some.shape == (100, 3)
        places = [int(np.flatnonzero(np.isclose(every, point, atol=1e-6).all(axis=1))[0]) for point in some]
        assert places == sorted(set(places))

    def test_of_fewer_points_all_are_kept(self, tmp_path):
        results = frame(tmp_path / '0.png', depth_image(0))
        num_valid = int((depth_image(0) > 0).sum())
        for num_points in (num_valid, num_valid + 1, 10**6):
            assert len(LoadDepthFrame(num_points=num_points)(dict(results))['points']) == num_valid

    def test_it_follows_numpys_global_state(self, tmp_path):
        results = frame(tmp_path / '0.png', depth_image(0))

        def load(seed):
            np.random.seed(seed)
            return LoadDepthFrame(num_points=50)(dict(results))['points'].tensor.numpy()

        np.testing.assert_array_equal(load(1), load(1))
        assert not np.array_equal(load(1), load(2))

    def test_every_pixel_is_as_likely(self, tmp_path):
        # The depth of a pixel is its number.
        results = frame(tmp_path / '0.png', np.arange(1, 21).reshape(4, 5), intrinsics_of((4, 5)))
        load = LoadDepthFrame(num_points=5)
        depths = np.concatenate([load(dict(results))['points'].tensor[:, 2].numpy() for _ in range(2000)])
        counts = np.bincount(np.rint(depths * 1000).astype(int), minlength=21)[1:]
        assert stats.chisquare(counts).pvalue > 0.01


class TestDamagedFiles:
    def test_a_truncated_image_is_named(self, tmp_path):
        path = tmp_path / '0.png'
        results = frame(path, depth_image(0))
        whole = path.read_bytes()
        for size in (0, 7, 20, len(whole) // 2, len(whole) - 200):
            path.write_bytes(whole[:size])
            with pytest.raises(CorruptFrameError, match=r'0\.png is not a depth image.*(truncated|not a PNG).*Extract'):
                LoadDepthFrame()(dict(results))

    def test_a_flipped_byte_is_found(self, tmp_path):
        path = tmp_path / '0.png'
        results = frame(path, depth_image(0))
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)
        with pytest.raises(CorruptFrameError, match=r'0\.png is not a depth image.*checksum'):
            LoadDepthFrame()(results)

    @pytest.mark.parametrize('mode', ['L', 'RGB', '1', 'P'])
    def test_an_image_of_other_pixels_is_named(self, tmp_path, mode):
        results = frame(tmp_path / '0.png', depth_image(0))
        Image.new(mode, (40, 30), 1).save(tmp_path / '0.png')
        with pytest.raises(CorruptFrameError, match=r'0\.png is not a depth image.*16-bit.*Extract'):
            LoadDepthFrame()(results)

    def test_an_image_without_depth_is_named(self, tmp_path):
        with pytest.raises(CorruptFrameError, match=r'0\.png holds no depth.*Restore it'):
            LoadDepthFrame()(frame(tmp_path / '0.png', np.zeros((30, 40))))

    @pytest.mark.parametrize('shape', [(15, 20), (60, 80), (30, 80), (13, 40), (40, 9)])
    def test_an_image_that_is_not_of_the_cameras_size_is_named(self, tmp_path, shape):
        results = frame(tmp_path / '0.png', np.full(shape, 1000))  # the camera's is (30, 40)
        with pytest.raises(CorruptFrameError, match=rf'0\.png has {shape[1]} x {shape[0]} pixels.*\(19\.5, 14\.5\)'):
            LoadDepthFrame()(results)

    @pytest.mark.parametrize('shape', [(30, 40), (24, 40), (1, 1), (480, 640)])
    def test_a_centre_that_is_off_by_a_sixth_is_fine(self, tmp_path, shape):
        intrinsics = intrinsics_of(shape)
        intrinsics[:2, 2] += [shape[1] / 6, -shape[0] / 6]
        results = frame(tmp_path / '0.png', np.full(shape, 1000), intrinsics)
        assert len(LoadDepthFrame()(results)['points']) == shape[0] * shape[1]

    @pytest.mark.parametrize('fault', ['focal length', 'pose'])
    def test_points_beyond_any_sensor_are_of_a_wrong_calibration(self, tmp_path, fault):
        intrinsics, camera2view = INTRINSICS.copy(), np.eye(4)
        if fault == 'pose':
            camera2view[0, 3] = 1e6
        else:
            intrinsics[0, 0] = 1e-30
        results = frame(tmp_path / '0.png', depth_image(0), intrinsics, camera2view)
        with pytest.raises(
            CorruptFrameError, match=r'0\.png gives points at .* m, beyond any sensor.*pose and intrinsics'
        ):
            LoadDepthFrame()(results)

    def test_a_missing_file_and_a_folder_are_named(self, tmp_path):
        results = frame(tmp_path / '0.png', depth_image(0))
        for path in (tmp_path / 'nowhere.png', tmp_path):
            results['depth_frame']['depth_path'] = str(path)
            with pytest.raises(CorruptFrameError, match=f'{path.name} cannot be read'):
                LoadDepthFrame()(dict(results))


def test_a_lidar_frame_is_an_error_of_the_config():
    with pytest.raises(ValueError, match='LoadFrame') as error:
        LoadDepthFrame()({'lidar_points': {'lidar_path': '0.bin'}})
    assert not isinstance(error.value, CorruptFrameError)


@pytest.mark.parametrize('setting', [{'depth_scale': 0}, {'depth_scale': -1}, {'num_points': 0}])
def test_settings_are_checked(setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        LoadDepthFrame(**setting)
