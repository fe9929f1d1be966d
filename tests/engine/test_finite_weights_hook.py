"""NaN and infinity are found in any tensor, and the run ends at the iteration that made them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmengine.hooks import Hook
from tiny import tiny_runner

from strl_mmdet3d.engine.finite import DivergedError, first_non_finite

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


@given(
    st.lists(st.tuples(st.sampled_from(DTYPES), st.integers(0, 5), st.booleans()), max_size=6),
    st.sampled_from([torch.nan, torch.inf, -torch.inf]),
)
def test_the_first_broken_tensor_is_named(kinds, value):
    tensors, first = [], None
    for number, (dtype, size, broken) in enumerate(kinds):
        tensor = torch.full((size, 2), torch.finfo(dtype).max, dtype=dtype)
        if broken and size:
            tensor[-1, 0] = value
            first = first or f't{number}'
        tensors.append((f't{number}', tensor))
    assert first_non_finite(tensors) == first


def test_integers_empty_and_views_are_fine():
    weight = torch.ones(4, 4, requires_grad=True)
    tensors = [('count', torch.tensor(3)), ('flag', torch.tensor([True])), ('none', torch.empty(0)), ('t', weight.t())]
    assert first_non_finite(tensors) is None
    assert first_non_finite([]) is None
    assert first_non_finite([('0d', torch.tensor(torch.nan))]) == '0d'


class Poison(Hook):
    """Makes the gradients of an iteration NaN; the loss of that iteration is finite."""

    def before_train(self, runner):
        def spoil(optimizer, args, kwargs):
            if runner.iter + 1 == 5:
                next(p for group in optimizer.param_groups for p in group['params']).grad.fill_(torch.nan)

        runner.optim_wrapper.optimizer.register_step_pre_hook(spoil)


@pytest.mark.parametrize('guarded', [True, False])
def test_a_poisoned_run_ends_at_once_and_keeps_its_checkpoints(tmp_path, guarded):
    hooks = dict(checkpoint=dict(type='WholeCheckpointHook', by_epoch=False, interval=2, max_keep_ckpts=1))
    if guarded:
        hooks['finite_weights'] = dict(type='FiniteWeightsHook')
    runner = tiny_runner(tmp_path, epochs=4, default_hooks=hooks)
    runner.register_hook(Poison())
    with pytest.raises(DivergedError, match='holds NaN or infinity') as stop:
        runner.train()
    said = str(stop.value)
    assert said.startswith(f'iteration {5 if guarded else 6}: ')
    assert 'online_encoder.detector.backbone.blocks.0.0.weight holds NaN or infinity' in said
    assert f'the last good checkpoint is {tmp_path / "iter_4.pth"}' in said
    weights = torch.load(tmp_path / 'iter_4.pth', weights_only=True)['state_dict']
    assert first_non_finite(weights.items()) is None
    assert not (tmp_path / 'iter_6.pth').exists()
