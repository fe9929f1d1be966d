"""Two ranks without a GPU, by torchrun and gloo, against one rank with the same global batch."""

from __future__ import annotations

import pytest
import rank_runs
import torch
from mmengine.config import Config
from torchrun import on_ranks

from strl_mmdet3d.engine.distributed import ENVIRONMENT, use_ranks_without_gpu
from strl_mmdet3d.errors import ConfigError


@pytest.fixture(scope='module')
def alone(tmp_path_factory):
    return rank_runs.all_runs(tmp_path_factory.mktemp('alone'))


@pytest.fixture(scope='module')
def ranks(tmp_path_factory):
    return on_ranks(rank_runs.__file__, tmp_path_factory.mktemp('ranks'))


@pytest.mark.parametrize('name', ['plain', 'accumulated'])
def test_two_ranks_compute_the_gradient_of_one(alone, ranks, name):
    expected = alone[name]['gradient']
    assert len(expected) == {'plain': 6, 'accumulated': 3}[name]
    for rank in ranks:
        assert len(rank[name]['gradient']) == len(expected)
        for mine, one in zip(rank[name]['gradient'], expected, strict=True):
            assert one.norm() > 1e-3
            assert (mine - one).norm() / one.norm() < 1e-6


def test_two_ranks_in_bfloat16_compute_that_of_one_but_for_rounding(alone, ranks):
    first = alone['amp']['gradient'][0]
    assert (ranks[0]['amp']['gradient'][0] - first).norm() / first.norm() < 0.02


@pytest.mark.parametrize('name', ['plain', 'accumulated', 'amp', 'whole', 'resumed'])
def test_target_and_gradient_are_the_same_on_all_ranks(ranks, name):
    for key in ('target', 'gradient'):
        for one, other in zip(ranks[0][name][key], ranks[1][name][key], strict=True):
            assert torch.equal(one, other)


def test_every_pair_is_seen_once_an_epoch(alone, ranks):
    per_epoch = rank_runs.LENGTH // rank_runs.GLOBAL_BATCH * rank_runs.GLOBAL_BATCH
    one = alone['plain']['pairs']
    assert len(set(one[:per_epoch])) == per_epoch
    both = [rank['plain']['pairs'] for rank in ranks]
    half = per_epoch // 2
    for epoch in range(rank_runs.EPOCHS):
        seen = [pair for rank in both for pair in rank[epoch * half : (epoch + 1) * half]]
        assert len(set(seen)) == per_epoch
        assert sorted(seen) == sorted(one[epoch * per_epoch : (epoch + 1) * per_epoch])


def test_ranks_that_were_killed_and_resumed_end_as_those_that_were_not(ranks):
    for rank in ranks:
        whole, resumed = rank['whole'], rank['resumed']
        assert resumed['loss'] == whole['loss'][-len(resumed['loss']) :]
        assert len(resumed['loss']) == 2
        parameters = [name for name in whole['state'] if 'running' not in name and 'num_batches' not in name]
        # The statistics of BatchNorm are rank 0's, which a checkpoint holds; the other's last batches are its own.
        for name in whole['state'] if rank is ranks[0] else parameters:
            assert torch.equal(whole['state'][name], resumed['state'][name]), name


def test_with_a_gpu_or_without_a_launcher_nothing_changes(monkeypatch):
    for launcher, gpu in [('none', False), ('pytorch', True), ('slurm', True)]:
        monkeypatch.setattr(torch.cuda, 'is_available', lambda gpu=gpu: gpu)
        config = Config(dict(launcher=launcher, sync_bn='torch'))
        use_ranks_without_gpu(config)
        assert config.to_dict() == dict(launcher=launcher, sync_bn='torch')
    assert not torch.distributed.is_initialized()


def test_what_cannot_start_without_a_gpu_is_told(monkeypatch):
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match='torchrun'):
        use_ranks_without_gpu(Config(dict(launcher='slurm')))
    with pytest.raises(ConfigError, match=r'RANK.*dist_train\.sh'):
        use_ranks_without_gpu(Config(dict(launcher='pytorch')))
