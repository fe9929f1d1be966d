"""Two ranks, by torchrun and gloo: they do not stop on a part that no gradient reaches, and find the same ones."""

from __future__ import annotations

import pytest
import torch
import untrained_runs
from test_untrained_parts_hook import NONE_REACHES, log_of, provenance_of, recorded
from tiny_pyramid import DESCRIBED, PART, TENSORS
from torchrun import on_ranks


@pytest.fixture(scope='module')
def ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp('ranks')
    return folder, on_ranks(untrained_runs.__file__, folder)


@pytest.mark.parametrize('name', ['strl', 'plane'])
def test_they_train_to_the_end_and_agree_on_the_parts(ranks, name):
    folder, (first, second) = ranks
    for rank in (first, second):
        assert rank[name]['iterations'] == 4
        assert rank[name]['untrained'] == [PART]
    for key, tensor in first[name]['trained'].items():
        assert torch.equal(tensor, second[name]['trained'][key]), key
    log = log_of(folder / name)
    assert log.count(NONE_REACHES) == 1
    assert f'no gradient has reached them: {DESCRIBED}' in log
    assert recorded(folder / name, 4) == [PART]
    assert provenance_of(folder / name)['left_out'] == TENSORS


def test_a_gradient_of_one_rank_alone_trains_the_part_on_both(ranks):
    folder, (first, second) = ranks
    assert first['one_rank']['untrained'] == second['one_rank']['untrained'] == []
    for key, tensor in first['one_rank']['trained'].items():
        assert torch.equal(tensor, second['one_rank']['trained'][key]), key
    assert f'iteration 2 trains these parts of the encoder, too: {DESCRIBED}' in log_of(folder / 'one_rank')
    assert [recorded(folder / 'one_rank', iteration) for iteration in (1, 2)] == [[PART], []]


def test_without_the_setting_of_the_base_config_torch_stops_them(ranks):
    folder, both = ranks
    assert untrained_runs.WRAPPER.find_unused_parameters
    for rank in both:
        assert 'Expected to have finished reduction in the prior iteration' in rank['stopped']
    assert recorded(folder / 'stopped', 1) == [PART]
