"""LARS and mixed precision in the Runner."""

from __future__ import annotations

import pytest
import torch
from mmdet3d.registry import OPTIMIZERS
from tiny import tiny_runner


def test_lars_by_hand_and_vectors_left_alone():
    matrix = torch.nn.Parameter(torch.tensor([[3.0, 4.0]]))
    vector = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    matrix.grad, vector.grad = torch.tensor([[0.6, 0.8]]), torch.tensor([0.1, 0.1])
    config = dict(type='LARS', params=[matrix, vector], lr=2.0, momentum=0.9, weight_decay=0.5, trust_coefficient=0.01)
    OPTIMIZERS.build(config).step()
    # trust = 0.01 * |w| / (|g| + 0.5 |w|) = 0.01 * 5 / 3.5; update = trust * (g + 0.5 w)
    trust = 0.01 * 5 / 3.5
    expected = [[3 - 2 * trust * (0.6 + 1.5), 4 - 2 * trust * (0.8 + 2)]]
    torch.testing.assert_close(matrix.detach(), torch.tensor(expected))
    torch.testing.assert_close(vector.detach(), torch.tensor([0.8, 1.8]))  # plain SGD, no weight decay


@pytest.mark.parametrize('accumulate', [1, 2])
def test_bfloat16_runs_in_half_precision_and_trains_in_single(tmp_path, accumulate):
    wrapper = dict(
        type='BFloat16OptimWrapper', optimizer=dict(type='LARS', lr=0.5, momentum=0.9), accumulative_counts=accumulate
    )
    runner = tiny_runner(tmp_path, epochs=1, optim_wrapper=wrapper)
    kinds = set()
    runner.model.online_projector[0].register_forward_hook(lambda module, args, out: kinds.add(out.dtype))
    before = runner.model.online_projector[0].weight.clone()
    runner.train()
    assert kinds == {torch.bfloat16}
    assert runner.model.online_projector[0].weight.dtype == torch.float32
    assert not torch.equal(before, runner.model.online_projector[0].weight)
    assert runner.message_hub.get_scalar('train/loss').current() > 0


def test_accumulated_gradients_are_those_of_their_mean(tmp_path):
    """Two equal micro-batches make the same step as one of them."""
    weights = []
    for accumulate in (1, 2):
        runner = tiny_runner(tmp_path / str(accumulate), epochs=accumulate, length=2, batch=2, accumulate=accumulate)
        runner.train()
        weights.append(runner.model.predictor[0].weight.detach().clone())
    torch.testing.assert_close(weights[0], weights[1], rtol=1e-4, atol=1e-6)
