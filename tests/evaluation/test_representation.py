"""Measures of a batch of projections, against values by hand and closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from strl_mmdet3d.evaluation.representation import (
    alignment,
    covariance,
    effective_rank,
    measure_rank,
    relative_distance,
    spread,
    uniformity,
)


def orthogonal(size: int, seed: int = 0) -> torch.Tensor:
    return torch.linalg.qr(torch.randn(size, size, generator=torch.Generator().manual_seed(seed)))[0]


def rank_of(*batches: torch.Tensor) -> torch.Tensor:
    return effective_rank(covariance(batches))


def test_spread_is_zero_where_all_are_the_same_and_about_one_on_the_sphere():
    one = torch.randn(1, 256)
    assert spread(one.repeat(64, 1)).item() == pytest.approx(0, abs=1e-5)
    assert spread(torch.randn(4096, 256)).item() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize('spectrum', [[1.0], [1.0, 1.0], [3.0, 1.0], [2.0, 1.0, 1.0, 0.5], [5.0] * 7])
def test_the_effective_rank_is_the_entropy_of_a_known_spectrum(spectrum):
    # x and -x have the mean 0, so the covariance's eigenvalues are those that are put in.
    directions = orthogonal(9)[: len(spectrum)] * torch.tensor(spectrum).sqrt()[:, None]
    x = 100 + torch.cat([directions, -directions])
    shares = [value / sum(spectrum) for value in spectrum]
    expected = math.exp(-sum(share * math.log(share) for share in shares))
    assert rank_of(x).item() == pytest.approx(expected, rel=1e-3)


@given(batch=st.integers(2, 12), width=st.integers(1, 9), scale=st.floats(1e-3, 1e3), seed=st.integers(0, 99))
def test_the_effective_rank_stays_in_its_range_and_ignores_scale_place_and_axes(batch, width, scale, seed):
    x = torch.randn(batch, width, dtype=torch.double, generator=torch.Generator().manual_seed(seed))
    rank = rank_of(x).item()
    assert 1 - 1e-5 <= rank <= min(batch - 1, width) + 1e-5
    moved = (scale * x + 3) @ orthogonal(width, seed).double()
    assert rank_of(moved).item() == pytest.approx(rank, rel=1e-4)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])
def test_rows_that_are_the_same_up_to_rounding_have_no_rank(dtype):
    row = torch.randn(256, generator=torch.Generator().manual_seed(0)).to(dtype)
    assert rank_of(row.expand(8, -1)).item() == 0
    assert rank_of(row.expand(8, -1) * 0).item() == 0
    noise = torch.randn(8, 256, generator=torch.Generator().manual_seed(1))
    assert rank_of(row.float() * (1 + 1e-7 * noise)).item() == 0


@pytest.mark.parametrize('value', [math.nan, math.inf])
def test_a_rank_of_what_is_not_finite_is_nan(value):
    x = torch.eye(4)
    x[1, 2] = value
    assert rank_of(x).isnan()


@given(sizes=st.lists(st.integers(1, 6), min_size=1, max_size=8), width=st.integers(1, 20), seed=st.integers(0, 99))
def test_batches_together_have_the_rank_of_all_their_own_directions(sizes, width, seed):
    generator = torch.Generator().manual_seed(seed)
    batches = [torch.randn(size, width, dtype=torch.double, generator=generator) for size in sizes]
    room = min(sum(sizes) - len(sizes), width)
    rank, most = measure_rank([batches, batches])
    assert most == room
    assert rank == pytest.approx(rank_of(*batches).item())
    assert (1 - 1e-5 if room else 0) <= rank <= room + 1e-5
    # Neither the place nor the scale of a batch counts.
    moved = [10**number * batch + number for number, batch in enumerate(batches[:4])] + batches[4:]
    assert measure_rank([moved])[0] == pytest.approx(rank, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(('size', 'number'), [(2, 15), (4, 5), (8, 3), (16, 1)])
def test_the_rank_of_one_direction_is_1_however_small_the_batches(size, number):
    generator = torch.Generator().manual_seed(0)
    direction = torch.randn(256, generator=generator)
    drifting = [
        torch.randn(size, 1, generator=generator) * direction + torch.randn(256, generator=generator)
        for _ in range(number)
    ]
    assert measure_rank([drifting]) == (pytest.approx(1, abs=1e-3), number * (size - 1))
    noise = [torch.randn(size, 256, generator=generator) for _ in range(number)]
    assert measure_rank([noise])[0] > 0.9 * number * (size - 1)


def test_the_rank_is_the_mean_of_the_views():
    line, noise = torch.randn(16, 1) * torch.ones(64), torch.randn(16, 64)
    assert measure_rank([[line], [noise]])[0] == pytest.approx((1 + rank_of(noise).item()) / 2, rel=1e-4)


def test_a_batch_of_equal_rows_counts_for_nothing():
    some, same = torch.randn(5, 16), torch.randn(16).expand(4, -1)
    assert rank_of(some, same).item() == pytest.approx(rank_of(some).item())
    assert rank_of(same, same).item() == 0
    assert rank_of(some, same * math.nan).isnan()


def test_alignment_of_views_at_known_angles():
    first = torch.tensor([[1.0, 0], [2, 0], [3, 0], [4, 0]])
    second = torch.tensor([[5.0, 0], [0, 1], [-1, 0], [1, math.sqrt(3)]])
    # Squared chords of 0, 90, 180 and 60 degrees.
    assert alignment(first, second).item() == pytest.approx((0 + 2 + 4 + 1) / 4)


def test_uniformity_by_hand():
    x = torch.tensor([[1.0, 0], [0, 2], [-3, 0]])
    # Two right angles and a straight one: squared distances 2, 2 and 4.
    assert uniformity(x).item() == pytest.approx(math.log((2 * math.exp(-4) + math.exp(-8)) / 3), rel=1e-5)
    assert uniformity(x, t=1).item() == pytest.approx(math.log((2 * math.exp(-2) + math.exp(-4)) / 3), rel=1e-5)
    assert uniformity(torch.ones(5, 3)).item() == pytest.approx(0, abs=1e-5)


def test_uniformity_of_many_even_directions():
    # In many dimensions nearly all squared distances are 2.
    x = torch.randn(300, 2000, generator=torch.Generator().manual_seed(0))
    assert uniformity(x).item() == pytest.approx(-4, abs=0.05)


def test_uniformity_needs_a_pair():
    with pytest.raises(ValueError, match='batch of one'):
        uniformity(torch.ones(1, 3))


def test_the_relative_distance_by_hand():
    online = [torch.tensor([3.0, 0]), torch.tensor([[4.0]])]
    target = [torch.tensor([3.0, 1]), torch.tensor([[2.0]])]
    assert relative_distance(online, target).item() == pytest.approx(math.sqrt(1 + 4) / 5)
    assert relative_distance(iter(online), iter(online)).item() == 0
    nothing = [torch.zeros(3)]
    assert relative_distance(nothing, nothing).item() == 0
