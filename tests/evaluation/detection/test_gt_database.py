"""The database of a label subset: no object of another frame, and no class that mmdet3d's sampler would fail on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.evaluation.detection.gt_database import fitting_groups, restricted_database, usable

SAMPLER = dict(
    prepare=dict(filter_by_difficulty=[-1], filter_by_min_points=dict(Car=5, Cyclist=10)),
    sample_groups=dict(Car=12, Pedestrian=6, Cyclist=6),
)


def thing(frame, points=20, difficulty=0):
    return dict(image_idx=frame, num_points_in_gt=points, difficulty=difficulty)


DATABASES = st.dictionaries(
    st.sampled_from(['Car', 'Pedestrian', 'Cyclist', 'Van']),
    st.lists(st.builds(thing, st.integers(0, 9), st.integers(0, 20), st.integers(-1, 2)), max_size=8),
)


@given(DATABASES, st.sets(st.integers(0, 9)))
def test_no_object_of_another_frame_is_left_and_none_of_these_frames_is_lost(database, frames):
    kept = restricted_database(database, 'db.pkl', range(10), frames)
    assert kept.keys() == database.keys()
    for name, objects in database.items():
        assert kept[name] == [each for each in objects if each['image_idx'] in frames]


@given(DATABASES)
def test_the_groups_that_stay_are_those_with_objects_after_the_samplers_own_filters(database):
    groups, fitted, dropped = fitting_groups(SAMPLER, database)
    assert {*groups, *dropped} == {'Car', 'Pedestrian', 'Cyclist'}
    assert {'Car', 'Pedestrian', 'Cyclist'} <= fitted.keys()
    for name in ('Car', 'Pedestrian', 'Cyclist'):
        least = SAMPLER['prepare']['filter_by_min_points'].get(name, 0)
        left = [each for each in fitted[name] if each['difficulty'] != -1 and each['num_points_in_gt'] >= least]
        assert usable(fitted, SAMPLER['prepare'])[name] == len(left)
        assert (name in groups) == bool(left)
        assert name in dropped or groups[name] == SAMPLER['sample_groups'][name]


@pytest.mark.parametrize(
    ('database', 'said'),
    [
        (dict(Car=[thing(3), thing(77)]), 'db.pkl holds an object of frame 77, which is not in the training set'),
        (dict(Car=[dict(name='Car')]), "db.pkl does not say which frame each object comes from .KeyError: 'image_idx'"),
        ([thing(3)], 'db.pkl does not say which frame each object comes from'),
    ],
)
def test_a_database_that_could_leak_is_refused(database, said):
    with pytest.raises(ConfigError, match=said):
        restricted_database(database, 'db.pkl', range(10), [3])
