"""The KITTI metric's rotated IoU against polygons, and the metric itself without CUDA."""

import numpy as np
import pytest
from mmdet3d.evaluation import kitti_eval
from mmdet3d.evaluation.functional.kitti_utils.eval import bev_box_overlap, d3_box_overlap
from shapely.geometry import Polygon

import strl_mmdet3d.ops  # noqa: F401


def polygon(box):
    """The corners as mmdet3d's kernel turns them."""
    x, z, x_size, z_size, yaw = (float(value) for value in box)
    cos, sin = np.cos(yaw), np.sin(yaw)
    corners = np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]]) * [x_size / 2, z_size / 2]
    return Polygon([(cos * u + sin * v + x, -sin * u + cos * v + z) for u, v in corners])


def boxes(rng, num, spread):
    return np.concatenate(
        [rng.uniform(-spread, spread, (num, 2)), rng.uniform(0.5, 5, (num, 2)), rng.uniform(-4, 4, (num, 1))], axis=1
    )


@pytest.mark.parametrize('criterion', [-1, 0, 1, 2])
@pytest.mark.parametrize('spread', [3, 70])
def test_agrees_with_polygons(criterion, spread):
    rng = np.random.default_rng(0)
    first, second = boxes(rng, 40, spread), boxes(rng, 30, spread)
    second[:5] = first[:5]  # identical
    second[5:10] = first[5:10] + rng.normal(0, 1e-4, (5, 5))  # nearly
    second[10:15, :2] = first[10:15, :2]  # crossing at one center
    second[15:20] = first[15:20] * [1, 1, 0.5, 0.5, 1]  # contained
    second[20:25] = first[20:25]
    second[20:25, 4] += np.pi  # identical, turned by half a circle
    first[25:30, 4] = 0
    second[25:30] = first[25:30]
    second[25:30, 0] += first[25:30, 2]  # touching along an edge
    expected = np.zeros((40, 30))
    for n, box in enumerate(map(polygon, first)):
        for k, query in enumerate(map(polygon, second)):
            overlap = box.intersection(query).area
            base = {-1: box.area + query.area - overlap, 0: query.area, 1: box.area, 2: 1.0}[criterion]
            expected[n, k] = overlap / base
    got = bev_box_overlap(first, second, criterion)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_yaw_turns_from_z_to_x():
    # A bar along x, turned by 45 degrees, lies on the line x = -z.
    bar = np.array([[0, 0, 4, 0.2, np.pi / 4]])
    spots = np.array([[1, -1, 0.1, 0.1, 0], [1, 1, 0.1, 0.1, 0]])
    np.testing.assert_allclose(bev_box_overlap(spots, bar, 1), [[1], [0]], atol=1e-5)


def test_detections_the_wrong_way_round():
    """A car and the same car seen from behind fill the same place."""
    rng = np.random.default_rng(3)
    cars = np.column_stack(
        [rng.uniform(-40, 40, (500, 2)), rng.normal([3.9, 1.6], 0.2, (500, 2)), rng.uniform(-4, 4, 500)]
    )
    np.testing.assert_allclose(bev_box_overlap(cars, cars + np.array([0, 0, 0, 0, np.pi])).diagonal(), 1, atol=1e-6)


def test_no_boxes():
    assert bev_box_overlap(np.zeros((0, 5)), np.zeros((3, 5))).shape == (0, 3)
    assert bev_box_overlap(np.zeros((3, 5)), np.zeros((0, 5)), 0).shape == (3, 0)


def test_overlap_of_volumes():
    # Two unit cubes, half a metre apart in height: y points down and marks the bottom.
    cube = np.array([[0.0, 0, 10, 1, 1, 1, 0.3]])
    above = cube - [0, 0.5, 0, 0, 0, 0, 0]
    np.testing.assert_allclose(d3_box_overlap(cube, above), [[1 / 3]], atol=1e-5)


def annotation(shift=0.0):
    """A car, large enough in the image to count as easy."""
    return {
        'name': np.array(['Car']),
        'truncated': np.array([0.0]),
        'occluded': np.array([0]),
        'alpha': np.array([-1.6]),
        'bbox': np.array([[600.0, 150, 700, 250]]),
        'dimensions': np.array([[3.9, 1.5, 1.6]]),
        'location': np.array([[shift, 1.6, 15]]),
        'rotation_y': np.array([-1.6]),
        'score': np.array([0.9]),
    }


@pytest.mark.parametrize(('shift', 'average_precision'), [(0.0, 100.0), (3.0, 0.0)])
def test_kitti_eval_without_cuda(shift, average_precision):
    # 41 frames, one for each recall threshold.
    truth, detections = [annotation()] * 41, [annotation(shift)] * 41
    _, result = kitti_eval(truth, detections, ['Car'], eval_types=['bbox', 'bev', '3d'])
    for view in ('BEV', '3D'):
        assert result[f'KITTI/Car_{view}_AP40_moderate_strict'] == pytest.approx(average_precision)
