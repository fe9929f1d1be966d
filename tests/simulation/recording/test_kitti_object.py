"""Labels, against values computed by hand for an artificial moment and against the returns in drawn scenes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from mmdet3d.evaluation import KittiMetric

from strl_mmdet3d.simulation.ray_casting import RayCaster
from strl_mmdet3d.simulation.recording import kitti_sensors as calibration
from strl_mmdet3d.simulation.recording.kitti_object import Label, dont_care_regions, label_lines, label_moment
from strl_mmdet3d.simulation.recording.lidar import SENSOR_HEIGHT, Scan, SpinningLidar
from strl_mmdet3d.simulation.streets.scene import Moment, PlacedActor, Scene
from strl_mmdet3d.simulation.surface import Surface, cuboid, join, turn_about_z

YAW = 0.5


def _moment(actors: list[tuple[float, float, float]], walls: tuple[Surface, ...] = ()) -> Moment:
    """Blocks of 4 x 2 x 1.5 m at (x, y, heading) in the sensor's frame, on the ground, and walls in the same frame."""
    position = np.array([7.0, -2.0, SENSOR_HEIGHT])
    cos, sin = np.cos(YAW), np.sin(YAW)

    def world(x: float, y: float) -> tuple[float, float]:
        return position[0] + cos * x - sin * y, position[1] + sin * x + cos * y

    parts, owner, placed = [], [], []
    for x, y, heading in actors:
        block = cuboid([-2, -1, 0], [2, 1, 1.5], 0.8).placed(*world(x, y), 0.0, YAW + heading)
        owner += [len(placed)] * len(block.faces)
        placed.append(PlacedActor('Car', block, np.array([x, y, -SENSOR_HEIGHT, 4, 2, 1.5, heading])))
        parts.append(block)
    for wall in walls:
        parts.append(wall.placed(*position[:2], 0.0, YAW))
        owner += [-1] * len(wall.faces)
    plane = np.array([0, 0, 1, SENSOR_HEIGHT])
    return Moment(join(parts), np.array(owner), placed, position, turn_about_z(YAW), plane)


def _scanned(moment: Moment) -> Scan:
    rng = np.random.default_rng(0)
    return SpinningLidar(2000).scan(RayCaster(moment.surface), moment.surface, moment.position, moment.rotation, rng)


def _labels(moment: Moment) -> list[Label]:
    return label_moment(moment, _scanned(moment))


def test_label_of_a_car_ahead():
    (label,) = _labels(_moment([(20.0, 3.0, 0.3)]))
    np.testing.assert_allclose(label.size, [1.5, 2.0, 4.0])
    # KITTI's Tr_velo_to_cam: right = -y, down = -z, forward = x, and the camera 0.27 m ahead and 0.08 m below.
    np.testing.assert_allclose(label.location, [-3.0 - 0.0041, SENSOR_HEIGHT - 0.0763, 20 - 0.2718], atol=1e-4)
    assert label.rotation_y == pytest.approx(-0.3 - np.pi / 2)
    assert label.alpha == pytest.approx(label.rotation_y - np.arctan2(label.location[0], label.location[2]))
    assert (label.kind, label.truncated, label.occluded) == ('Car', 0.0, 0)
    assert len(label.line().split()) == 15


def test_bbox_holds_the_projection_tightly_and_is_clipped():
    moment = _moment([(20.0, 3.0, 0.3), (6.0, -4.0, 0.0)])
    near_label = next(label for label in _labels(moment) if label.location[2] < 10)
    far_label = next(label for label in _labels(moment) if label.location[2] > 10)
    corners = calibration.to_pixels(calibration.to_camera(moment.in_sensor(moment.actors[0].surface.vertices)))
    np.testing.assert_allclose(far_label.bbox, [*corners.min(0), *corners.max(0)])
    assert far_label.truncated == 0
    # The nearer one leaves the picture on the right.
    assert near_label.bbox[2] == 1241
    assert 0.05 < near_label.truncated < 0.9


def test_a_car_beside_the_camera_has_a_box_to_the_picture_border():
    (label,) = _labels(_moment([(2.5, 2.6, 0.0)]))
    assert label.bbox[0] == 0
    assert np.all(label.bbox[2:] > label.bbox[:2])
    assert label.truncated > 0.5


@pytest.mark.parametrize('place', [(2.5, 2.6, 0.0), (3.0, -2.4, 0.4), (6.0, -4.0, 0.0), (1.8, 2.4, 0.0)])
def test_the_box_of_a_car_that_leaves_the_picture_is_around_the_part_within(place):
    moment = _moment([place])
    (label,) = _labels(moment)
    block = moment.actors[0].surface
    mesh = trimesh.Trimesh(block.vertices, block.faces, process=False)
    points = trimesh.sample.sample_surface(mesh, 400_000, seed=0)[0]
    places = calibration.to_camera(moment.in_sensor(points))
    pixels = calibration.to_pixels(places[calibration.in_picture(places)])
    np.testing.assert_allclose(label.bbox, [*pixels.min(0), *pixels.max(0)], atol=6)
    assert 0.05 < label.truncated < 1


@pytest.mark.parametrize(('covered', 'occluded'), [(0.0, 0), (0.1, 0), (0.4, 1), (0.8, 2)])
def test_occlusion_follows_the_visible_share(covered, occluded):
    # Broadside at 20 m: 4 m wide. A wall at 10 m hides its left part.
    edge = (2 - 4 * covered) * 10 / 19
    walls = (cuboid([9.99, edge, 0.0], [10, 10, 4], 0.5),)
    (label,) = _labels(_moment([(20.0, 0.0, np.pi / 2)], walls))
    assert label.occluded == occluded


def test_only_what_is_seen_in_the_picture_is_labelled():
    hiding = (cuboid([9.9, -3, 0.0], [10, 3, 5], 0.5),)
    assert _labels(_moment([(20.0, 0.0, 0.0)], hiding)) == []
    assert _labels(_moment([(-15.0, 0.0, 0.0)])) == []
    assert _labels(_moment([(3.0, 15.0, 0.0)])) == []


def test_a_car_too_far_for_a_label_becomes_a_region():
    moment = _moment([(20.0, 3.0, 0.3), (76.0, -6.0, 0.0)])
    scan = _scanned(moment)
    assert [label.location[2] < 30 for label in label_moment(moment, scan)] == [True]
    (region,) = dont_care_regions(moment, scan)
    corners = calibration.to_pixels(calibration.to_camera(moment.in_sensor(moment.actors[1].surface.vertices)))
    np.testing.assert_allclose(region, [*corners.min(0), *corners.max(0)])
    object_line, region_line = label_lines(moment, scan)
    assert object_line.startswith('Car ')
    fields = region_line.split()
    assert fields[:4] == ['DontCare', '-1', '-1', '-10']
    np.testing.assert_allclose([float(field) for field in fields[4:8]], region, atol=0.005)
    # As in KITTI's files.
    assert fields[8:] == ['-1', '-1', '-1', '-1000', '-1000', '-1000', '-10']


def test_a_car_outside_the_range_of_mmdet3ds_metric_becomes_a_region():
    moment = _moment([(30.0, 3.0, 0.3)])
    scan = _scanned(moment)
    low, high = KittiMetric(ann_file='', metric='bbox').pcd_limit_range[2:6:3]
    for z, labelled in ((high - 0.01, 1), (high + 0.01, 0), (low + 0.01, 1), (low - 0.01, 0)):
        box = moment.actors[0].box.copy()
        box[2] = z
        moved = replace(moment, actors=[replace(moment.actors[0], box=box)])
        assert len(label_moment(moved, scan)) == labelled
        assert len(dont_care_regions(moved, scan)) == 1 - labelled


def test_a_car_with_few_returns_becomes_a_region():
    # All but a sliver is hidden.
    walls = (cuboid([9.99, -0.93, 0.0], [10, 3, 4], 0.5),)
    moment = _moment([(20.0, 0.0, np.pi / 2)], walls)
    scan = _scanned(moment)
    returns = int(np.sum(moment.owner[scan.face] == 0))
    assert len(label_moment(moment, scan)) == 1
    assert returns >= 5
    keep = (moment.owner[scan.face] != 0) | (np.cumsum(moment.owner[scan.face] == 0) <= 4)
    fewer = Scan(scan.points[keep], scan.face[keep], scan.directions, scan.hits)
    assert label_moment(moment, fewer) == []
    assert len(dont_care_regions(moment, fewer)) == 1


def test_regions_that_overlap_become_one():
    # The third one reaches into both others only together with them.
    moment = _moment([(76.0, -6.0, 0.0), (76.0, 6.0, 0.0), (77.0, -7.5, 0.0), (78.0, -4.0, 0.0)])
    regions = dont_care_regions(moment, _scanned(moment))
    assert len(regions) == 2
    left, right = sorted(regions, key=lambda region: region[0])
    assert left[2] < right[0]
    corners = [
        calibration.to_pixels(calibration.to_camera(moment.in_sensor(moment.actors[index].surface.vertices)))
        for index in (0, 2, 3)
    ]
    np.testing.assert_allclose(right, [*np.concatenate(corners).min(0), *np.concatenate(corners).max(0)])


@pytest.mark.parametrize('hidden', [False, True])
def test_there_is_always_a_region(hidden):
    """As mmdet3d's converter and metric need."""
    hiding = (cuboid([5.9, -30, 0.0], [6, 30, 9], 0.5),) if hidden else ()
    moment = _moment([(20.0, 3.0, 0.0)], hiding)
    *labels, line = label_lines(moment, _scanned(moment))
    assert [label.split()[0] for label in labels] == ([] if hidden else ['Car'])
    left, top, right, bottom = (float(field) for field in line.split()[4:8])
    assert line.startswith('DontCare -1 -1 -10 ')
    assert 0 < left < right < 1242
    # Around the horizon, which is at the height of the principal point.
    assert top < 172.85 < bottom


def test_labels_of_drawn_scenes_hold_the_returns_as_mmdet3d_reads_them():
    """Through mmdet3d's own conversion of camera boxes to LiDAR boxes."""
    from mmdet3d.structures.ops import box_np_ops

    lidar = SpinningLidar(800)
    rect = np.eye(4)
    near_and_visible = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        moment = Scene.sample(rng, 0.0).at(0.0)
        scan = lidar.scan(RayCaster(moment.surface), moment.surface, moment.position, moment.rotation, rng)
        labels = label_moment(moment, scan)
        assert labels
        owner = moment.owner[scan.face]
        places = np.array([actor.box[:3] for actor in moment.actors])
        columns = np.array([[float(value) for value in label.line().split()[1:]] for label in labels])
        # Camera boxes are x, y, z, length, height, width, rotation.
        camera_boxes = np.column_stack([columns[:, 10:13], columns[:, [9, 7, 8]], columns[:, 13]])
        boxes = box_np_ops.box_camera_to_lidar(camera_boxes, rect, calibration.VELO_TO_CAM)
        points = scan.points[:, :3].astype(np.float64)
        for label, box in zip(labels, boxes, strict=True):
            index = int(np.linalg.norm(places - box[:3], axis=1).argmin())
            np.testing.assert_allclose(places[index], box[:3], atol=1e-3)
            mine = points[owner == index]
            # Five deviations of the range noise of 2 cm, which grows with the range and on slanted surfaces.
            grown = np.array([[*box[:2], box[2] - 0.25, *(box[3:6] + np.full(3, 0.5)), box[6]]])
            assert box_np_ops.points_in_rbbox(mine, grown).mean() > 0.98
            if label.occluded == 0 and label.location[2] < 20 and label.truncated < 0.1:
                near_and_visible += 1
                inside = box_np_ops.points_in_rbbox(mine, box[None]).sum()
                assert inside >= (15 if label.kind in ('Car', 'Van') else 3)
    assert near_and_visible >= 5
