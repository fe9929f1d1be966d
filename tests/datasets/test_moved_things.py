"""A collection of things that move: what is cut out of a frame, and what a damaged file does."""

from __future__ import annotations

import numpy as np
import pytest
from mmengine.config import ConfigDict

from strl_mmdet3d.datasets.moved_things import MovedThings, marked_whole_scans, things_of
from strl_mmdet3d.errors import ConfigError


def thing(number, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (number, 4)).astype(np.float32)


def test_a_thing_is_cut_out_with_what_is_below_it_and_the_sensor_becomes_the_origin():
    rows = np.array(
        [
            [10.1, 2.1, 0.5, 0.7],  # of the thing
            [10.2, 2.2, 1.5, 0.8],
            [10.2, 2.1, -1.7, 0.1],  # the ground in the same cell of 0.3 m
            [10.7, 2.1, -1.7, 0.2],  # the ground two cells away
            [10.15, 2.15, 0.6, 0.3],  # of another thing that stands over it
        ],
        dtype=np.float32,
    )
    things = np.array([0, 0, -1, -1, 1])
    sensor = np.array([1.0, 2.0, 0.5])
    cut = things_of(rows, things, sensor, fewest=2)
    assert len(cut) == 1
    np.testing.assert_allclose(cut[0], rows[:3] - [1.0, 2.0, 0.5, 0.0], rtol=1e-6)
    assert len(things_of(rows, things, sensor, fewest=1)) == 2
    assert not things_of(rows, np.full(5, -1), sensor, fewest=1)


def test_what_is_saved_is_loaded(tmp_path):
    things = [thing(5), thing(3, seed=1), thing(8, seed=2)]
    collection = MovedThings.of(things)
    collection.save(tmp_path / 'things.npz')
    loaded = MovedThings.load(tmp_path / 'things.npz')
    assert len(loaded) == 3
    for own, expected in zip(loaded, things, strict=True):
        np.testing.assert_array_equal(own, expected)
    np.testing.assert_array_equal(loaded[-1], things[-1])
    with pytest.raises(IndexError):
        loaded[3]


def test_no_thing_and_things_of_two_sensors_are_refused():
    with pytest.raises(ConfigError, match='no thing has moved'):
        MovedThings.of([])
    with pytest.raises(ConfigError, match='differ in the channels'):
        MovedThings.of([thing(5), thing(5)[:, :3]])


def test_a_flipped_byte_is_refused_by_name_or_loads(tmp_path):
    path = tmp_path / 'things.npz'
    MovedThings.of([thing(200).round(1)]).save(path)
    whole = path.read_bytes()
    refused = []
    for place in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        try:
            MovedThings.load(path)
        except ConfigError as error:
            refused.append(str(error))
    assert refused
    assert all(str(path) in said for said in refused)


def good():
    collection = MovedThings.of([thing(5), thing(3)])
    return dict(points=collection.points, starts=collection.starts)


DAMAGES = {
    'of doubles': dict(points=good()['points'].astype(np.float64)),
    'flat': dict(points=good()['points'].ravel()),
    'of two columns': dict(points=good()['points'][:, :2]),
    'not finite': dict(points=np.where(np.arange(4) == 1, np.nan, good()['points']).astype(np.float32)),
    'no thing': dict(starts=np.array([0])),
    'an empty thing': dict(starts=np.array([0, 5, 5, 8])),
    'too short': dict(starts=np.array([0, 5, 7])),
    'backwards': dict(starts=np.array([0, 9, 8])),
    'of another start': dict(starts=np.array([1, 5, 8])),
    'of floats': dict(starts=np.array([0.0, 5.0, 8.0])),
}


@pytest.mark.parametrize('damage', DAMAGES)
def test_arrays_that_are_no_collection_are_refused(damage, tmp_path):
    np.savez(tmp_path / 'things.npz', **good() | DAMAGES[damage])
    with pytest.raises(ConfigError, match='no collection of moved things'):
        MovedThings.load(tmp_path / 'things.npz')


def test_files_that_cannot_be_read_are_named(tmp_path):
    path = tmp_path / 'things.npz'
    with pytest.raises(ConfigError, match=r'things.npz does not exist.*collect_moved_things'):
        MovedThings.load(path)
    MovedThings.of([thing(500)]).save(path)
    whole = path.read_bytes()
    for content in (b'', b'no archive', whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=r'things.npz holds no collection'):
            MovedThings.load(path)
    np.savez(path, points=np.array([{}], dtype=object), starts=np.array([0, 1]))  # pickled
    with pytest.raises(ConfigError, match=r'things.npz holds no collection'):
        MovedThings.load(path)
    np.savez(path, points=good()['points'])
    with pytest.raises(ConfigError, match=r'things.npz holds no collection'):
        MovedThings.load(path)


def test_a_config_without_marks_is_refused():
    with pytest.raises(ConfigError, match='marks no points'):
        marked_whole_scans(ConfigDict(type='TemporalPairDataset', pipeline=dict(type='MultiView', load=[])))
