"""BatchNorm's statistics after calibration, compared with numpy's; nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from strl_mmdet3d.evaluation.calibration import calibrate_batchnorm


def encoder(channels: int = 3) -> nn.Sequential:
    return nn.Sequential(nn.Linear(channels, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 2))


@given(sizes=st.lists(st.integers(2, 9), min_size=1, max_size=4), offset=st.floats(-3, 3))
def test_statistics_are_the_mean_over_batches_of_mean_and_unbiased_variance(sizes, offset):
    batches = [torch.randn(size, 3) + offset for size in sizes]
    model = encoder()
    assert calibrate_batchnorm(model, batches) == 1
    with torch.no_grad():
        seen = [model[0](batch).numpy().astype(np.float64) for batch in batches]
    np.testing.assert_allclose(model[1].running_mean, np.mean([x.mean(0) for x in seen], axis=0), atol=1e-5)
    np.testing.assert_allclose(model[1].running_var, np.mean([x.var(0, ddof=1) for x in seen], axis=0), atol=1e-5)
    assert model[1].num_batches_tracked == len(sizes)


def test_two_numbers_by_hand():
    model = nn.Sequential(nn.BatchNorm1d(1))
    model[0].running_mean.fill_(77)  # earlier statistics do not count
    calibrate_batchnorm(model, [torch.tensor([[1.0], [3.0]]), torch.tensor([[5.0], [11.0]])])
    assert model[0].running_mean.item() == 5  # of 2 and 8
    assert model[0].running_var.item() == 10  # of 2 and 18


def test_only_the_statistics_change_and_the_encoder_is_in_eval_mode():
    model = encoder().train()
    model[1].momentum = 0.3
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    calibrate_batchnorm(model, [torch.randn(8, 3)])
    assert all(torch.equal(parameter, before[name]) for name, parameter in model.named_parameters())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    assert not any(module.training for module in model.modules())
    assert model[1].momentum == 0.3


def test_a_calibrated_layer_gives_the_batch_mean_zero_and_variance_one():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    batch = torch.randn(64, 3) * 5 + 2
    calibrate_batchnorm(model, [batch])
    out = model(batch)
    torch.testing.assert_close(out.mean(0), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(out.var(0), torch.ones(4), atol=1e-3, rtol=0)


def test_without_batchnorm_there_is_nothing_to_do_and_without_batches_it_is_an_error():
    assert calibrate_batchnorm(nn.Linear(2, 2), iter([])) == 0
    model = encoder()
    with pytest.raises(ValueError, match='no batch'):
        calibrate_batchnorm(model, [])
    assert model[1].momentum == 0.1
