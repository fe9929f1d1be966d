"""Which of a mixture's sources a pair is from, and configs that hold no pairs."""

from __future__ import annotations

import pytest
from mmengine.config import Config
from small_pairs import config_of, write_clouds

from strl_mmdet3d.datasets import PairKey
from strl_mmdet3d.evaluation.traced_pair import build_pairs, build_traced_dataset, trace_pair

MODES = ('temporal', 'spatial', 'both')


def test_pairs_of_several_sources_know_theirs(tmp_path):
    for name in 'ab':
        (tmp_path / name).mkdir()
        write_clouds(tmp_path / name, name)
    parts = [config_of(tmp_path / name, dict(type='LoadFrame')).train_dataloader.dataset for name in 'ab']
    parts[1] = dict(type='RepeatDataset', times=2, dataset=dict(parts[1], mode='spatial'))
    dataset = dict(type='ConcatDataset', datasets=parts)
    config = Config(dict(train_dataloader=dict(dataset=dataset, sampler=dict(type='PairSampler'))))
    dataset, sampler, tracer = build_traced_dataset(config)
    assert len(sampler) == 12
    for index, mode in ((1, 'both'), (11, 'spatial')):
        pair = trace_pair(dataset, PairKey(0, 0, index), tracer)
        assert pair.part.mode == mode
        assert f"mode '{mode}'; item {index}, epoch 0, seed 0" in pair.facts()
        assert ('one frame twice' in pair.facts()) == (mode == 'spatial')
        assert len(tracer.traces) == 2


def test_parts_whose_frames_have_the_same_names_are_told_apart(tmp_path):
    write_clouds(tmp_path)
    parts = [config_of(tmp_path, dict(type='LoadFrame'), mode=mode).train_dataloader.dataset for mode in MODES]
    dataset = dict(type='ConcatDataset', datasets=parts)
    config = Config(dict(train_dataloader=dict(dataset=dataset, sampler=dict(type='PairSampler'))))
    dataset, _, tracer = build_traced_dataset(config)
    assert [trace_pair(dataset, PairKey(0, 0, index), tracer).part.mode for index in (1, 5, 9)] == list(MODES)


@pytest.mark.parametrize('lacks', ['PairSampler', 'MultiView'])
def test_a_config_of_something_else_is_refused(tmp_path, lacks):
    write_clouds(tmp_path)
    config = config_of(tmp_path, dict(type='LoadFrame'))
    if lacks == 'PairSampler':
        config.train_dataloader.sampler.type = 'DefaultSampler'
    else:
        config.train_dataloader.dataset.pipeline = []
    with pytest.raises(ValueError, match=lacks):
        build_pairs(config)
