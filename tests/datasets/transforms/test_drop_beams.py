"""Beams: found by their elevation or read from a column, and every k-th of them kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet3d.structures import LiDARPoints

from strl_mmdet3d.datasets.transforms import RandomDropBeams
from strl_mmdet3d.datasets.transforms.drop_beams import Beams, beams_of
from strl_mmdet3d.errors import ConfigError


def scan(
    elevations: np.ndarray, per_beam: int, height: float, noise: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """A scan (N, 3) of beams that meet at a height, at random ranges, and the beam (N,) of each point; shuffled.

    Args:
        elevations: Degrees, from the lowest upwards.
        per_beam: Points of each beam.
        height: Metres.
        noise: Standard deviation of the elevation, degrees.
        seed: Of the generator.
    """
    rng = np.random.default_rng(seed)
    beam = rng.permutation(np.repeat(np.arange(len(elevations)), per_beam))
    elevation = np.radians(elevations[beam] + rng.normal(0, noise, len(beam)))
    azimuth, distance = rng.uniform(-np.pi, np.pi, len(beam)), rng.uniform(4, 60, len(beam))
    coord = np.stack([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], 1)
    return (coord * distance[:, None] + [0, 0, height]).astype(np.float32), beam


@given(
    gaps=st.lists(st.floats(0.3, 2), min_size=1, max_size=70),
    height=st.floats(-0.5, 0.5),
    seed=st.integers(0, 99),
)
@settings(max_examples=40)
def test_beams_at_any_distances_are_found(gaps, height, seed):
    coord, beam = scan(np.cumsum(gaps) - 25, 30, height, noise=0.01, seed=seed)
    np.testing.assert_array_equal(beams_of(coord, len(gaps), height), beam)


def hdl_64e() -> np.ndarray:
    """The beams of a Velodyne HDL-64E by its data sheet: 32 from 2 degrees down by 1/3, 32 from -8.83 down by 1/2."""
    return np.sort([*(2 - np.arange(32) / 3), *(-8.83 - np.arange(32) / 2)])


def test_beams_with_unequal_numbers_of_points_are_found_too():
    coord, beam = scan(hdl_64e(), 200, 0.2, noise=0.02, seed=0)
    sector = (coord[:, 0] > abs(coord[:, 1])) & ((beam > 8) | (coord[:, 0] < 8)) & (beam < 60)
    found = beams_of(coord[sector], 52, 0.2)
    # A beam and what was found agree where most of the beam's points have the same number.
    agree = sum(np.bincount(found[beam[sector] == one]).max() for one in np.unique(beam[sector]))
    assert agree / sector.sum() > 0.9


@pytest.mark.parametrize('every', [1, 2, 4])
def test_every_kth_beam_stays_whole(every):
    coord, beam = scan(hdl_64e(), 20, 0.2, noise=0.01, seed=1)
    table = np.column_stack([coord, beam]).astype(np.float32)
    transform = RandomDropBeams(every=(every,))
    for first in range(every):
        kept = transform.apply(LiDARPoints(table, points_dim=4), Beams(every, first)).tensor
        assert torch.equal(kept, torch.from_numpy(table[beam % every == first]))


@given(every=st.integers(1, 8), seed=st.integers(0, 99))
def test_a_column_of_beams_is_used_as_it_is(every, seed):
    rng = np.random.default_rng(seed)
    table = np.column_stack([rng.normal(size=(50, 4)), rng.integers(0, 32, 50)]).astype(np.float32)
    transform = RandomDropBeams(every=(every,), ring_dim=4)
    np.random.seed(seed)
    drawn = transform.draw(LiDARPoints(table, points_dim=5))
    assert drawn.every == every
    assert 0 <= drawn.first < every
    kept = transform.apply(LiDARPoints(table, points_dim=5), drawn).tensor.numpy()
    of_beams = table[table[:, 4].astype(int) % every == drawn.first]
    np.testing.assert_array_equal(kept, of_beams if len(of_beams) else table)


def test_all_ks_and_all_first_beams_are_drawn_as_often(points):
    drawn = [RandomDropBeams(every=(2, 4)).draw(points) for _ in range(8000)]
    count = np.unique(drawn, axis=0, return_counts=True)
    assert count[0].tolist() == [[2, 0], [2, 1], [4, 0], [4, 1], [4, 2], [4, 3]]
    np.testing.assert_allclose(count[1] / 8000, [0.25] * 2 + [0.125] * 4, atol=0.02)


def test_a_column_that_is_not_there_is_an_error_that_says_so(points):
    with pytest.raises(ConfigError, match='ring_dim=4, but the points have 4 columns: let use_dim of LoadFrame keep'):
        RandomDropBeams(every=(2,), ring_dim=4)({'points': points})


@pytest.mark.real
def test_the_beams_of_a_real_scan_stay_or_go_nearly_whole(real_data):
    """The files of KITTI raw hold beam by beam, each turning left from straight ahead, which tells the true beams."""
    for path in sorted((real_data / 'kitti_raw').rglob('velodyne_points/data/*.bin'))[::7]:
        table = np.fromfile(path, np.float32).reshape(-1, 4)
        table = table[(table[:, :3] != 0).any(axis=1)]
        azimuth = np.arctan2(table[:, 1], table[:, 0]) % (2 * np.pi)
        true = np.cumsum(abs(np.diff(azimuth, prepend=azimuth[:1])) > np.pi)
        for every, least in ((2, 0.9), (4, 0.93)):
            kept = beams_of(table[:, :3], 64, 0.2) % every == 0
            share = np.bincount(true, kept) / np.bincount(true)
            whole = np.maximum(share, 1 - share) @ np.bincount(true) / len(true)
            assert whole > least
            assert kept.mean() == pytest.approx(1 / every, abs=0.03)


def test_marks_are_no_column_of_beams(points):
    marks = np.zeros(len(points), np.int64)
    with pytest.raises(ConfigError, match='ring_dim=4, but the points have 4 columns'):
        RandomDropBeams(every=(2,), ring_dim=4)({'points': points, 'pts_semantic_mask': marks})
