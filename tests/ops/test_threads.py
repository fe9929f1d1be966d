"""Slices over threads: every row once, from any thread, also in a forked data loader worker."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.ops import furthest_point_sample
from torch.utils.data import DataLoader, Dataset

import strl_mmdet3d.ops  # noqa: F401
from strl_mmdet3d.ops.threads import run_over_rows


@pytest.fixture(autouse=True)
def _keep_num_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def count(start, stop, visits):
    visits[start:stop] += 1


@settings(max_examples=50, deadline=None)
@given(num_rows=st.integers(0, 100), num_threads=st.integers(1, 5))
def test_every_row_once(num_rows, num_threads):
    torch.set_num_threads(num_threads)
    visits = np.zeros(num_rows, int)
    run_over_rows(count, num_rows, visits)
    assert (visits == 1).all()


def fail(start, stop):
    raise RuntimeError(f'rows {start} to {stop}')


def test_errors_reach_the_caller():
    torch.set_num_threads(2)
    with pytest.raises(RuntimeError, match='rows 0 to 1'):
        run_over_rows(fail, 8)


def test_called_from_several_threads_at_once():
    torch.set_num_threads(2)
    clouds = torch.rand(12, 2, 400, 3)
    expected = [furthest_point_sample(cloud, 32) for cloud in clouds]
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda cloud: furthest_point_sample(cloud, 32), clouds))
    assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=True))


class SampledClouds(Dataset):
    """Samples in the worker, on more threads than the one that a worker starts with."""

    def __init__(self, clouds):
        self.clouds = clouds

    def __len__(self):
        return len(self.clouds)

    def __getitem__(self, i):
        torch.set_num_threads(2)
        return furthest_point_sample(self.clouds[i], 32)


def test_forked_worker_after_the_parent_has_run_kernels():
    torch.set_num_threads(2)
    clouds = torch.rand(4, 3, 400, 3)
    expected = [furthest_point_sample(cloud, 32) for cloud in clouds]
    loader = DataLoader(
        SampledClouds(clouds), batch_size=None, num_workers=2, multiprocessing_context='fork', timeout=60
    )
    for _ in range(2):  # the second pass forks again
        assert all(torch.equal(a, b) for a, b in zip(loader, expected, strict=True))
    assert torch.equal(furthest_point_sample(clouds[0], 32), expected[0])
