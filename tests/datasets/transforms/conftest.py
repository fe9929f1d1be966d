"""Clouds, and a check of a distribution, for all tests of the transforms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from mmdet3d.structures import LiDARPoints
from scipy import stats


@pytest.fixture(autouse=True)
def _seed():
    """Every test draws the same numbers in every run, so that none fails by chance."""
    np.random.seed(0)


@pytest.fixture(autouse=True)
def _one_thread():
    """Thousands of operations on small clouds: threads would only wait for one another."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def points() -> LiDARPoints:
    """2000 points off the origin, with unequal extents; the fourth channel numbers them."""
    return numbered_points(2000)


@pytest.fixture
def make_points() -> Callable[[int], LiDARPoints]:
    """Make clouds like `points` with another number of points."""
    return numbered_points


def numbered_points(number: int) -> LiDARPoints:
    coord = np.random.default_rng(0).uniform([-10, 0, 1], [50, 8, 3], (number, 3))
    return LiDARPoints(np.column_stack([coord, np.arange(number)]).astype(np.float32), points_dim=4)


@pytest.fixture
def assert_uniform() -> Callable[[np.ndarray, float, float], None]:
    """Check that a sample stays within an interval, and is uniform in it."""

    def check(sample: np.ndarray, low: float, high: float) -> None:
        sample = np.asarray(sample).ravel()
        assert sample.min() >= low
        assert sample.max() <= high
        assert stats.kstest(sample, stats.uniform(low, high - low).cdf).pvalue > 0.01

    return check
