"""The arms: which there are, and that their starts are equal but for what a checkpoint replaces."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config
from tiny import tiny_detector

from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.evaluation.detection.arms import (
    KINDS,
    Pretrained,
    arms_of,
    arms_of_seed,
    initial_model,
    read_pretrained,
    start_of,
)
from strl_mmdet3d.export import ExportError, save_exported
from strl_mmdet3d.export.provenance import sealed

TRUNK = ('voxel_encoder', 'middle_encoder', 'backbone', 'neck')


def encoder(name='a', seed=9, left_out=(), trunk=TRUNK, untrained=()) -> Pretrained:
    """The trunk of another seed."""
    state = initial_model(tiny_detector(), seed).state_dict()
    tensors = type(state)((key, value) for key, value in state.items() if key.split('.')[0] in trunk)
    for key in left_out:
        del tensors[key]
    tensors._metadata = state._metadata
    return Pretrained(name, sealed(tensors, trunk, None, left_out, untrained), f'{name}.pth')


def clouds(seed: int) -> list[dict]:
    generator = torch.Generator().manual_seed(seed)
    low, high = torch.tensor([0.0, -8, -3, 0]), torch.tensor([16.0, 8, 1, 1])
    batch = [low + (high - low) * torch.rand(500, 4, generator=generator) for _ in range(2)]
    return [dict(inputs=dict(points=batch), data_samples=None)] * 2


def test_the_arms_of_two_checkpoints():
    a, b, other = encoder('a'), encoder('b'), encoder('c', trunk=('voxel_encoder',))
    names = [arm.name for arm in arms_of(KINDS, [a, b])]
    assert names == ['scratch', 'finetuned-a', 'finetuned-b', 'frozen-a', 'frozen-b', 'frozen-random']
    random = [arm for arm in arms_of(['frozen-random'], [a, other]) if arm.kind == 'frozen-random']
    assert [arm.frozen for arm in random] == [TRUNK, ('voxel_encoder',)]
    assert len({arm.name for arm in random}) == 2
    assert [arm.name for arm in arms_of(['scratch'], [])] == ['scratch']
    with pytest.raises(ConfigError, match='the arms finetuned, frozen need a pre-training: give --checkpoint'):
        arms_of(['finetuned', 'frozen', 'scratch'], [])


def test_pretrainings_of_one_recipe_take_turns_over_the_seeds():
    recipe = [encoder('a', seed) for seed in (5, 6, 7)]
    arms = arms_of(KINDS, [*recipe, encoder('b', 8)])
    for seed in range(7):
        chosen = arms_of_seed(arms, seed)
        assert [arm.name for arm in chosen] == [
            'scratch', 'finetuned-a', 'finetuned-b', 'frozen-a', 'frozen-b', 'frozen-random'
        ]  # fmt: skip
        expected = recipe[seed % 3].sha256
        assert [arm.sha256 for arm in chosen if arm.name.endswith('-a')] == [expected, expected]
        assert [arm.sha256 for arm in chosen if arm.name.endswith('-b')] == [encoder('b', 8).sha256] * 2


def test_checkpoints_of_one_name_are_different_pretrainings_of_one_trunk():
    with pytest.raises(ConfigError, match=r'a.pth is the same pre-training as a.pth: --checkpoint a=... is for'):
        arms_of(['finetuned'], [encoder('a', 5), encoder('a', 6), encoder('a', 5)])
    with pytest.raises(ConfigError, match=r'a.pth pre-trained voxel_encoder, and a.pth voxel_encoder, middle_encoder'):
        arms_of(['finetuned'], [encoder('a', 5), encoder('a', 6, trunk=('voxel_encoder',))])
    with pytest.raises(ConfigError, match='two arms would have the name frozen-random: name the checkpoints otherwise'):
        arms_of(['frozen', 'frozen-random'], [encoder('random')])


def test_a_trunk_with_a_hole_is_not_frozen():
    hole = encoder(left_out=['voxel_encoder.pfn_layers.0.linear.weight'])
    with pytest.raises(ConfigError, match=r'a.pth was pre-trained without voxel_encoder.*, which a frozen trunk would'):
        arms_of(['frozen'], [hole])
    with pytest.raises(ConfigError, match=r'a.pth was pre-trained without neck, which a frozen trunk would'):
        arms_of(['frozen'], [encoder(untrained=['neck'])])  # random, though included in the file
    assert [arm.name for arm in arms_of(['finetuned'], [hole])] == ['finetuned-a']


@pytest.mark.parametrize('seed', [0, 7])
def test_starts_are_equal_bit_for_bit_but_for_the_checkpoint(seed):
    config = Config(dict(model=tiny_detector()))
    pretrained = encoder()
    starts = {arm.name: start_of(arm, config, seed, clouds(0)) for arm in arms_of(KINDS, [pretrained])}
    tensors = pretrained.exported['state_dict']
    for name, tensor in starts['scratch'].items():
        for arm in ('finetuned-a', 'frozen-a'):
            assert torch.equal(starts[arm][name], tensors.get(name, tensor))
        calibrated = name in tensors and ('running_' in name or 'num_batches' in name)
        assert torch.equal(starts['frozen-random'][name], tensor) != calibrated
    assert all(state._metadata == starts['scratch']._metadata for state in starts.values())


def test_a_seed_draws_trunk_and_head_and_leaves_the_generators_alone():
    before = torch.get_rng_state()
    first, again, other = (initial_model(tiny_detector(), seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    weights = [name for name in first if name.endswith('conv_cls.weight') or name.startswith('backbone.blocks.0.0')]
    assert len(weights) == 2
    for name in first:
        assert torch.equal(first[name], again[name])
    assert not any(torch.equal(first[name], other[name]) for name in weights)


def test_a_checkpoint_that_does_not_land_is_refused():
    model = tiny_detector()
    model.backbone.out_channels = model.neck.in_channels = [8, 24]
    arm = arms_of(['finetuned'], [encoder()])[0]
    with pytest.raises(ExportError, match=r'tensors of a.pth did not land in VoxelNet'):
        start_of(arm, Config(dict(model=model)), 0, [])


def test_names_of_checkpoints_fit_into_file_names(tmp_path):
    path = tmp_path / 'encoder.pth'
    save_exported(encoder().exported, path)
    assert read_pretrained('run-1.b', path).sha256 == encoder().sha256
    for name in ('', '.x', 'a/b', 'a b'):
        with pytest.raises(ConfigError, match='a name has letters, digits, dots, hyphens and underscores only'):
            read_pretrained(name, path)
