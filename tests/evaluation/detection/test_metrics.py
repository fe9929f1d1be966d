"""The numbers of a test: all are kept, means over classes are added, and one is found by a part of its name."""

from __future__ import annotations

import pytest

from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.evaluation.detection.metrics import find_metric, plain_numbers

ROOT = 'Kitti metric/pred_instances_3d/KITTI'


def test_means_over_classes_are_added():
    metrics = {
        f'{ROOT}/Car_BEV_AP40_moderate_loose': 60.0,
        f'{ROOT}/Person_sitting_BEV_AP40_moderate_loose': 30.0,
        f'{ROOT}/Car_3D_AP11_easy_strict': 12.0,
        f'{ROOT}/Overall_BEV_AP40_moderate': 3.0,
    }
    numbers = plain_numbers(metrics)
    assert numbers == metrics | {
        f'{ROOT}/Overall_BEV_AP40_moderate_loose': 45.0,
        f'{ROOT}/Overall_3D_AP11_easy_strict': 12.0,
    }


def test_a_class_without_objects_has_no_number_and_no_mean():
    numbers = plain_numbers({'KITTI/Car_3D_AP40_easy_loose': float('nan'), 'KITTI/Van_3D_AP40_easy_loose': 1.0})
    assert numbers['KITTI/Car_3D_AP40_easy_loose'] is None
    assert numbers['KITTI/Overall_3D_AP40_easy_loose'] is None


def test_indoors_a_mean_over_the_classes_of_the_test_is_added():
    metrics = {'bed_AP_0.25': 0.5, 'night_stand_AP_0.25': 0.1, 'desk_AP_0.25': float('nan'), 'mAP_0.25': float('nan')}
    assert plain_numbers(metrics) == {
        'bed_AP_0.25': 0.5,
        'night_stand_AP_0.25': 0.1,
        'desk_AP_0.25': None,
        'mAP_0.25': None,
        'known_mAP_0.25': pytest.approx(0.3),
    }


def test_a_number_is_found_by_its_last_parts():
    names = [f'{ROOT}/Overall_3D_AP40_moderate', f'{ROOT}/Overall_3D_AP40_moderate_loose', 'a/x', 'b/x']
    assert find_metric(names, None) == names[0]
    assert find_metric(names, 'KITTI/Overall_3D_AP40_moderate_loose') == names[1]
    assert find_metric(names, 'a/x') == 'a/x'
    assert find_metric(['mAP_0.25', 'mAP_0.50'], None) == 'mAP_0.25'
    with pytest.raises(ConfigError, match='--metric x may be a/x or b/x: give more of its name'):
        find_metric(names, 'x')
    with pytest.raises(ConfigError, match=r'gives no Overall_3D_AP40_hard: name one of its numbers .*Overall_3D_AP40'):
        find_metric(names, 'Overall_3D_AP40_hard')
    with pytest.raises(ConfigError, match='such as none, because it gives none at all'):
        find_metric([], None)


@pytest.mark.parametrize('name', ['mATE', 'mAAE', 'pred_instances_3d_NuScenes/car_trans_err', 'val/loss', 'loss_cls'])
def test_an_error_is_not_compared_as_if_more_were_better(name):
    names = [f'NuScenes metric/{name}', 'NuScenes metric/mAP', 'NuScenes metric/NDS']
    with pytest.raises(ConfigError, match='is an error, of which less is better'):
        find_metric(names, name)
    for score in [*names[1:], 'pedestrian_AP_dist_0.5', 'mAP_0.25']:
        assert find_metric({*names, score}, score) == score
