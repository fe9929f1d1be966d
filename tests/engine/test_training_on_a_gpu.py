"""A pre-training on a GPU: the step of the CPU, mixed precision, resuming, NCCL and synchronised BatchNorm.

The tests without the mark `cuda` make the same comparisons on the CPU.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import rank_runs
import torch
from mmdet3d.registry import MODELS
from mmengine.optim import OptimWrapper
from tiny import pair_batch, tiny_strl
from torchrun import on_ranks

# Of the norm of a step's gradient. float32 on the CPU differs from float64 by less than a tenth of that, see below.
ROUNDING = 1e-3
DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'


@pytest.fixture(autouse=True)
def _exact_convolutions(monkeypatch):
    """A GPU's convolutions round float32 to TF32, and add in any order, unless told not to."""
    monkeypatch.setattr(torch.backends.cudnn, 'allow_tf32', False)
    monkeypatch.setattr(torch.backends.cudnn, 'deterministic', True)


def one_step(device: str, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    """Loss, gradient, parameters and statistics after the step, in float64 on the CPU."""
    torch.manual_seed(0)
    model = MODELS.build(tiny_strl()).to(device, dtype).train()
    batch = pair_batch()
    for view in batch.values():
        view['inputs']['points'] = [points.to(dtype) for points in view['inputs']['points']]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    kept = {}

    def keep(*_):
        gradients = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
        kept['gradient'] = torch.cat(gradients)

    optimizer.register_step_pre_hook(keep)
    kept['loss'] = model.train_step(batch, OptimWrapper(optimizer))['loss']
    model.update_target(0.9)
    floating = [tensor.flatten() for tensor in model.state_dict().values() if tensor.is_floating_point()]
    kept['state'] = torch.cat(floating)
    return {name: tensor.detach().cpu().double() for name, tensor in kept.items()}


def assert_close(found: dict, expected: dict, share: float) -> None:
    """Each tensor, but for a share of its norm."""
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert tensor.norm() > 1e-3
        assert (found[name] - tensor).norm() <= share * tensor.norm(), name


def test_float32_on_the_cpu_makes_the_step_of_float64():
    assert_close(one_step('cpu'), one_step('cpu', torch.float64), ROUNDING / 10)


@pytest.mark.cuda
def test_a_gpu_makes_the_step_of_the_cpu():
    assert_close(one_step('cuda'), one_step('cpu'), ROUNDING)


def mixed_and_whole(folder: Path) -> tuple[dict, dict]:
    """A run in the mixed precision of the device, and the same one in float32."""
    return rank_runs.run(folder / 'amp', **rank_runs.RUNS['amp']), rank_runs.run(folder / 'plain', batchnorm=False)


def assert_learnt_alike(mixed: dict, whole: dict) -> None:
    """The losses follow those in float32, but for rounding; the weights stay finite."""
    assert len(mixed['loss']) == len(whole['loss']) == 6
    assert mixed['loss'] == pytest.approx(whole['loss'], rel=0.05)
    assert mixed['loss'] != whole['loss']
    assert all(tensor.isfinite().all() for tensor in mixed['state'].values())


def test_bfloat16_on_the_cpu(tmp_path):
    assert_learnt_alike(*mixed_and_whole(tmp_path))


@pytest.mark.cuda
def test_float16_on_a_gpu(tmp_path):
    """`--amp` chooses its wrapper there. Its scale of the loss is in the checkpoint."""
    assert_learnt_alike(*mixed_and_whole(tmp_path))
    saved = torch.load(tmp_path / 'amp' / 'iter_6.pth', weights_only=False)['optimizer']
    assert saved['loss_scaler']['scale'] > 0


def assert_resumed(folder: Path, share: float) -> None:
    """The run that was killed and resumed ends as the one that was not."""
    plain = rank_runs.RUNS['plain']
    whole = rank_runs.run(folder / 'whole', **plain)
    rank_runs.run(folder / 'killed', **plain, die_after=4)
    resumed = rank_runs.run(folder / 'killed', **plain, resume=True)
    assert len(resumed['loss']) == 2
    assert resumed['pairs'] == whole['pairs'][-len(resumed['pairs']) :]
    assert resumed['loss'] == pytest.approx(whole['loss'][-2:], rel=share, abs=0)
    for name, tensor in whole['state'].items():
        assert tensor.device.type == DEVICE
        torch.testing.assert_close(resumed['state'][name], tensor, rtol=share, atol=share)


def test_a_run_is_resumed_on_the_cpu(tmp_path):
    assert_resumed(tmp_path, 0.0)


@pytest.mark.cuda
def test_a_run_is_resumed_on_a_gpu(tmp_path):
    # Sums by atomic additions differ in the last digits from run to run.
    assert_resumed(tmp_path, ROUNDING)


def torchrun(folder: Path, ranks: int, names: list[str]) -> list[dict]:
    """What `rank_runs` keeps of the named runs, for each rank."""
    return on_ranks(rank_runs.__file__, folder, *names, ranks=ranks, NVIDIA_TF32_OVERRIDE='0')


def assert_gradients(found: dict, expected: dict, share: float, steps: int | None = None) -> None:
    """The gradients of two runs, in the first steps or in all."""
    assert len(found['gradient']) == len(expected['gradient'])
    for mine, one in zip(found['gradient'][:steps], expected['gradient'][:steps], strict=True):
        assert one.norm() > 1e-3
        assert (mine - one.cpu()).norm() <= share * one.norm()


def test_one_rank_by_gloo(tmp_path):
    (rank,) = torchrun(tmp_path, 1, ['plain'])
    assert rank['backend'] == 'gloo'
    assert_gradients(rank['plain'], rank_runs.run(tmp_path / 'alone', batchnorm=False), 1e-6)


@pytest.mark.cuda
@pytest.mark.parametrize('num_ranks', [1, 2])
def test_ranks_by_nccl(tmp_path, num_ranks):
    """With synchronised BatchNorm two ranks make the steps of one with the same global batch, statistics included."""
    if torch.cuda.device_count() < num_ranks:
        pytest.skip(f'needs {num_ranks} GPUs')
    names = ['plain', 'accumulated', 'amp', 'synced']
    alone = {name: rank_runs.run(tmp_path / 'alone' / name, **rank_runs.RUNS[name]) for name in names}
    ranks = torchrun(tmp_path, num_ranks, names)
    for rank in ranks:
        assert rank['backend'] == 'nccl'
        assert_gradients(rank['plain'], alone['plain'], ROUNDING)
        assert_gradients(rank['accumulated'], alone['accumulated'], ROUNDING)
        assert_gradients(rank['synced'], alone['synced'], ROUNDING, steps=1)  # BatchNorm enlarges the rounding
        for name in names:
            assert all(map(torch.equal, rank[name]['target'], ranks[0][name]['target']))
