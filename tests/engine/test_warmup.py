"""The schedule of the paper's recipe, against mmengine's two schedulers with explicit ends, for runs of any length."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmengine.config import Config
from mmengine.registry import PARAM_SCHEDULERS, init_default_scope

from strl_mmdet3d.engine.optimizers.warmup import WarmupLR, warmup_iterations, with_length

RECIPE = Config.fromfile('configs/_base_/recipes/strl_paper.py').param_scheduler


def rates(schedule, epochs, epoch_length):
    """The learning rate at each iteration of a run, as the Runner builds and steps its schedulers."""
    init_default_scope('mmdet3d')
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.2)
    built = [
        PARAM_SCHEDULERS.build(
            dict(dict(end=epochs), **config), default_args=dict(optimizer=optimizer, epoch_length=epoch_length)
        )
        for config in schedule
    ]
    values = []
    for _ in range(epochs * epoch_length):
        values.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in built:
            scheduler.step()
    return values


@pytest.mark.parametrize('epochs', [20, 50, 100])
def test_ten_epochs_of_warm_up_and_a_cosine_as_the_stock_schedulers_make_them(epochs):
    stock = [
        dict(type='LinearLR', start_factor=1e-3, begin=0, end=10, by_epoch=True, convert_to_iter_based=True),
        dict(type='CosineAnnealingLR', eta_min=0, begin=10, end=epochs, by_epoch=True, convert_to_iter_based=True),
    ]
    assert rates(RECIPE, epochs, 7) == pytest.approx(rates(stock, epochs, 7), abs=1e-12)


@pytest.mark.parametrize('epochs', [1, 2, 4, 13])
def test_a_short_run_warms_up_for_half_of_it(epochs):
    values = rates(RECIPE, epochs, 20)
    top = warmup_iterations(10, epochs, 20)
    assert top == epochs * 10 if epochs < 20 else 200
    assert values[0] == pytest.approx(0.2e-3)
    assert max(values) == pytest.approx(0.2)
    assert values[top - 1] == pytest.approx(0.2)
    left = epochs * 20 - top
    for step in range(top, epochs * 20):
        assert values[step] == pytest.approx(0.1 * (1 + math.cos(math.pi * (step - top) / left)), abs=1e-9)


@given(st.floats(0.1, 30), st.integers(1, 200), st.integers(1, 500))
def test_the_warm_up_fits_every_run(warmup, epochs, epoch_length):
    length = warmup_iterations(warmup, epochs, epoch_length)
    assert 1 <= length <= max(1, epochs * epoch_length / 2)
    assert length <= max(1, warmup * epoch_length)


@pytest.mark.parametrize('iterations', [1, 2])
def test_the_shortest_runs_build(iterations):
    assert all(value > 0 for value in rates(RECIPE, 1, iterations))


def test_schedulers_that_fit_any_length_are_told_the_length_whatever_names_them():
    told = with_length(
        dict(
            one=[dict(type='WarmupLR', warmup=1), dict(type='mmdet3d.CosineAfterWarmupLR', warmup=1, end=2)],
            other=[dict(type=WarmupLR, warmup=1), dict(type='StepLR', step_size=1)],
        ),
        2.5,
    )
    assert [each.get('end') for each in told['one']] == [2.5, 2]
    assert [each.get('end') for each in told['other']] == [2.5, None]
    built = object()
    assert with_length([built], 3)[0] is built
