"""KITTI's metric on the objects within a detector's range."""

from __future__ import annotations

import numpy as np
import pytest
from mmdet3d.registry import METRICS

RANGE = [0, -16, -3, 32, 16, 0.0]
# x forward, y left, z up -> x right, y down, z forward, and the camera 0.3 m before the LiDAR and 0.1 m below it.
LIDAR2CAM = np.array([[0, -1, 0, 0.0], [0, 0, -1, -0.1], [1, 0, 0, -0.3], [0, 0, 0, 1]])


def infos(*places):
    """One frame with a car at each place (x, y, z), metres in the LiDAR's axes."""
    instances = [
        dict(
            bbox=[0, 0, 50, 50],
            bbox_label=2,
            bbox_3d=[*(LIDAR2CAM @ [*place, 1])[:3], 4, 1.5, 1.6, 0.1],
            truncated=0,
            occluded=0,
            alpha=0,
            score=0,
        )
        for place in places
    ]
    return dict(
        metainfo=dict(categories=dict(Pedestrian=0, Cyclist=1, Car=2)),
        data_list=[dict(instances=instances, images=dict(CAM2=dict(lidar2cam=LIDAR2CAM.tolist())))],
    )


@pytest.fixture
def metric():
    return METRICS.build(dict(type='KittiRangeMetric', ann_file='', pcd_limit_range=RANGE))


def test_objects_out_of_the_range_are_neither_found_nor_missed(metric):
    places = [(10, 0, -1.7), (31.9, 15.9, -1.7), (32.1, 0, -1.7), (10, 16.1, -1.7), (0.1, -15.9, 2.0), (-0.1, 0, -1.7)]
    annos = metric.convert_annos_to_kitti_annos(infos(*places))[0]['kitti_annos']
    assert annos['name'].tolist() == ['Car', 'Car', 'DontCare', 'DontCare', 'Car', 'DontCare']
    assert len(annos['bbox']) == len(annos['location']) == 6


def test_a_frame_without_objects_stays_one(metric):
    assert len(metric.convert_annos_to_kitti_annos(infos())[0]['kitti_annos']['name']) == 0
