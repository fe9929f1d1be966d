"""The values of a point, as the configs of pipelines state them."""

from __future__ import annotations

import pytest
from mmengine.config import ConfigDict

from strl_mmdet3d.export.loaded_points import PLACE_IN_ROOM, first_of, points_of, steps_of

SCAN = dict(type='LoadPointsFromFile', coord_type='LIDAR', load_dim=5, use_dim=[0, 1, 2, 3])


def loader(*steps):
    return ConfigDict(dataset=dict(type='KittiDataset', pipeline=list(steps)))


@pytest.mark.parametrize(
    ('step', 'coord_type', 'channels'),
    [
        (SCAN, 'LIDAR', ['x', 'y', 'z', 'column 3']),
        (SCAN | dict(use_dim=5), 'LIDAR', ['x', 'y', 'z', 'column 3', 'column 4']),
        (SCAN | dict(use_dim=[0, 1, 2, 4]), 'LIDAR', ['x', 'y', 'z', 'column 4']),
        (SCAN | dict(use_dim=[1, 0, 2]), 'LIDAR', ['y', 'x', 'z']),
        (SCAN | dict(norm_intensity=True), 'LIDAR', ['x', 'y', 'z', 'column 3 by norm_intensity']),
        (SCAN | dict(shift_height=True), 'LIDAR', ['x', 'y', 'z', 'height', 'column 3']),
        (dict(type='LoadFrame'), 'LIDAR', ['x', 'y', 'z', 'column 3']),
        (dict(type='LoadDepthFrame'), 'DEPTH', ['x', 'y', 'z']),
        (dict(type='LoadDepthFrame', height=True), 'DEPTH', ['x', 'y', 'z', 'height']),
        (dict(type='LoadShape', coord_type='CAMERA'), 'CAMERA', ['x', 'y', 'z']),
    ],
)
def test_the_channels_of_the_points(step, coord_type, channels):
    expected = dict(coord_type=coord_type, channels=channels)
    assert points_of(loader(dict(type='LoadAnnotations3D'), step)) == expected
    views = ConfigDict(dataset=dict(pipeline=dict(type='MultiView', load=[step])))
    assert points_of(views) == expected
    wrapped = ConfigDict(dataset=dict(type='RepeatDataset', dataset=loader(step).dataset))
    assert points_of(wrapped) == expected
    several = ConfigDict(dataset=dict(type='ConcatDataset', datasets=[loader(step).dataset, loader(step).dataset]))
    assert points_of(several) == expected


def test_channels_of_another_loader_or_of_several_are_not_known():
    mine = dict(type='MyOwnLoader')
    several = ConfigDict(dataset=dict(type='ConcatDataset', datasets=[loader(mine).dataset, loader(SCAN).dataset]))
    for unknown in (None, ConfigDict(), loader(mine), loader(), several):
        assert points_of(unknown) == {}


def test_the_ring_and_the_time_lag_are_told_apart():
    """Both may be the fifth value of a nuScenes point."""

    def channels(*steps):
        return points_of(dict(dataset=dict(pipeline=list(steps))))['channels']

    stock = dict(type='LoadPointsFromFile', coord_type='LIDAR', load_dim=5, use_dim=5)
    lagged = ['x', 'y', 'z', 'column 3', 'time lag']
    assert channels(stock) == ['x', 'y', 'z', 'column 3', 'column 4']
    assert channels(stock, dict(type='LoadPointsFromMultiSweeps', sweeps_num=9, use_dim=5)) == lagged
    assert channels(stock, dict(type='LoadPointsFromMultiSweeps', sweeps_num=9)) == ['x', 'y', 'z', 'time lag']
    assert channels(dict(type='LoadFrame', load_dim=5, use_dim=4, time_lag=True)) == lagged
    assert channels(dict(type='MultiView', load=[dict(type='LoadSweeps')])) == lagged
    # The height comes before the sweeps, which write their lag over the fifth value, and leave the others.
    high = stock | dict(load_dim=6, use_dim=6, shift_height=True)
    taken = ['x', 'y', 'z', 'height', 'time lag', 'column 5']
    assert channels(high, dict(type='LoadPointsFromMultiSweeps', use_dim=[0, 1, 2, 3, 4, 6])) == taken


@pytest.mark.parametrize('names', [['x', 'y', 'z', 'reflectance'], ['X', 'Y', 'Z', 'Intensity']])
def test_columns_have_one_name_in_all_spellings(names):
    """`LoadFrame` takes them all."""
    assert points_of(loader(dict(type='LoadFrame', use_dim=names))) == points_of(loader(dict(type='LoadFrame')))


@pytest.mark.parametrize('appended', [True, False])
def test_a_patch_of_a_room_may_append_the_place_in_it(appended):
    patch = dict(type='IndoorPatchPointSample', num_points=8, use_normalized_coord=appended)
    coloured = dict(type='LoadPointsFromFile', coord_type='DEPTH', load_dim=6, use_dim=6, use_color=True)
    channels = points_of(loader(coloured, patch))['channels']
    assert channels == ['x', 'y', 'z', 'column 3', 'column 4', 'column 5', *PLACE_IN_ROOM[: 3 * appended]]


def test_transforms_are_found_inside_others():
    inner = [dict(type='PointsRangeFilter', point_cloud_range=[0, 0, 0, 1, 1, 1]), dict(type='PointSample')]
    pipeline = [SCAN, dict(type='MultiScaleFlipAug3D', transforms=inner)]
    steps = list(steps_of(pipeline))
    assert [step['type'] for step in steps] == [
        'LoadPointsFromFile',
        'MultiScaleFlipAug3D',
        *(each['type'] for each in inner),
    ]
    assert first_of(steps, 'PointSample', 'PointsRangeFilter') == inner[0]
    assert first_of(steps, 'PointShuffle') is None
    assert list(steps_of(None)) == []
