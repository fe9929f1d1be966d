"""Masked occupancy: what is hidden, what is predicted, and that it is learned."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmdet3d.registry import DATASETS, MODELS
from tiny import RANGE, RandomPairs, pair_batch, tiny_detector, tiny_runner

from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.models.occupancy import at_cells, balanced_loss, cells_of, occupancy, patches_with


def tiny_occupancy(**changes):
    """Around the tiny detector, whose plane has 16 channels and 16 x 16 cells of a metre."""
    encoder = dict(type='DetectorEncoder', detector=tiny_detector(), feature='0')
    return dict(type='MaskedOccupancy', encoder=encoder, in_channels=16, patch=2.0) | changes


def test_occupied_voxels_are_those_of_brute_force():
    torch.manual_seed(0)
    area, (levels, rows, columns) = (0, -8, -3, 16, 8, 1), (8, 5, 7)
    clouds = [torch.rand(n, 4) * torch.tensor([20, 20, 6, 1]) - torch.tensor([2, 10, 4, 0]) for n in (50, 0, 3)]
    found = occupancy(clouds, area, (levels, rows, columns))
    expected = torch.zeros_like(found)
    for cloud, points in enumerate(clouds):
        for x, y, z, _ in points.tolist():
            if 0 <= x < 16 and -8 <= y < 8 and -3 <= z < 1:
                place = (
                    math.floor((z + 3) / 4 * levels),
                    math.floor((y + 8) / 16 * rows),
                    math.floor(x / 16 * columns),
                )
                expected[(cloud, *place)] = True
    assert torch.equal(found, expected)
    assert found[0].any()


@given(st.integers(-50, 200), st.integers(-120, 120))
def test_a_point_outside_belongs_to_the_nearest_cell(x, y):
    x, y = x / 10 + 0.05, y / 10 + 0.05  # not on a border, where float32 rounds
    cell = cells_of(torch.tensor([[x, y, 0.0]]), RANGE, (4, 8)).item()
    row = min(max(math.floor((y + 8) / 4), 0), 3)
    column = min(max(math.floor(x / 2), 0), 7)
    assert cell == row * 8 + column


def test_cells_find_their_patches():
    patches = torch.tensor([[[True, False], [False, True]]])
    assert at_cells(patches, (4, 2)).int().tolist() == [[[1, 0], [1, 0], [0, 1], [0, 1]]]
    occupied = torch.zeros(1, 2, 4, 4, dtype=torch.bool)
    occupied[0, 1, 3, 0] = True
    assert patches_with(occupied, (2, 2)).int().tolist() == [[[0, 0, 0, 0]] * 2 + [[1, 1, 0, 0]] * 2]


def test_the_loss_gives_both_kinds_half_of_the_weight():
    logits = torch.tensor([2.0, 0.0, -1.0, 5.0])
    occupied = torch.tensor([True, False, False, False])
    counted = torch.tensor([True, True, True, False])
    softplus = [math.log1p(math.exp(value)) for value in (-2.0, 0.0, -1.0)]
    assert balanced_loss(logits, occupied, counted).item() == pytest.approx(softplus[0] / 2 + sum(softplus[1:]) / 4)
    assert balanced_loss(torch.zeros(4), occupied, counted).item() == pytest.approx(math.log(2))
    nothing = balanced_loss(logits.requires_grad_(), occupied, torch.zeros(4, dtype=torch.bool))
    nothing.backward()
    assert (nothing.item(), logits.grad.abs().sum().item()) == (0, 0)


def test_the_detector_sees_nothing_of_the_hidden_patches():
    model = MODELS.build(tiny_occupancy())
    batch = pair_batch()
    prepared = model.data_preprocessor(batch, True)
    grid = model.data_preprocessor.grid
    assert grid == (8, 8)
    assert 0.3 < prepared['hidden'].float().mean() < 0.9
    for cloud, points in enumerate(prepared['inputs']['points']):
        hidden = prepared['hidden'][cloud].flatten()
        assert not hidden[cells_of(points, RANGE, grid)].any()
        everything = batch['view_1']['inputs']['points'][cloud]
        assert len(points) == (~hidden[cells_of(everything, RANGE, grid)]).sum() < len(everything)
        assert torch.equal(prepared['view_1'][cloud], everything)


def test_a_cloud_that_would_be_hidden_as_a_whole_is_not_hidden():
    model = MODELS.build(tiny_occupancy(share=0.9))
    batch = pair_batch(size=2)
    batch['view_1']['inputs']['points'] = [points[:1] for points in batch['view_1']['inputs']['points']]
    for seed in range(5):
        torch.manual_seed(seed)
        prepared = model.data_preprocessor(batch, True)
        assert all(len(points) == 1 for points in prepared['inputs']['points'])


@pytest.mark.parametrize('temporal', [True, False])
def test_only_voxels_in_hidden_patches_with_points_count(temporal):
    """The other view counts only where it is predicted."""
    model = MODELS.build(tiny_occupancy(temporal=temporal))
    torch.manual_seed(0)
    views = model.data_preprocessor(pair_batch(), True)
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.copy_(torch.linspace(-1, 1, model.levels))
        loss = model.eval()(**views)['loss']
        both = [torch.cat(pair) for pair in zip(views['view_1'], views['view_2'], strict=True)]
        occupied = occupancy(both if temporal else views['view_1'], RANGE, (model.levels, 16, 16))
        terms = {True: [], False: []}
        for cloud in range(3):
            for row in range(16):
                for column in range(16):
                    patch = occupied[cloud, :, row // 2 * 2 : row // 2 * 2 + 2, column // 2 * 2 : column // 2 * 2 + 2]
                    if views['hidden'][cloud, row // 2, column // 2] and patch.any():
                        for level, bias in enumerate(model.head.bias.tolist()):
                            is_there = occupied[cloud, level, row, column].item()
                            terms[is_there].append(math.log1p(math.exp(-bias if is_there else bias)))
    expected = sum(sum(kind) / len(kind) for kind in terms.values()) / 2
    assert loss.item() == pytest.approx(expected, rel=1e-5)


@DATASETS.register_module(force=True)
class FlatPairs(RandomPairs):
    """All points lie on the ground, which can be predicted."""

    def __getitem__(self, index):
        pair = super().__getitem__(index)
        for view in pair.values():
            view['inputs']['points'][:, 2] = -1.8
        return pair


def test_a_true_run_learns(tmp_path):
    runner = tiny_runner(
        tmp_path,
        epochs=8,
        model=tiny_occupancy(),
        custom_hooks=[],
        train_dataloader=dict(
            batch_size=2,
            num_workers=0,
            dataset=dict(type='FlatPairs'),
            sampler=dict(type='PairSampler'),
            collate_fn=dict(type='pseudo_collate'),
        ),
        train_cfg=dict(type='PretrainLoop', max_epochs=8),
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=3e-3)),
    )
    losses = []
    step = runner.model.train_step
    runner.model.train_step = lambda *args, **kwargs: losses.append(step(*args, **kwargs)) or losses[-1]
    runner.train()
    values = [entry['loss'].item() for entry in losses]
    assert len(values) == 32
    assert sum(values[-8:]) < 0.9 * sum(values[:8])


@pytest.mark.parametrize('wrong', [dict(patch=0), dict(share=1), dict(share=0), dict(height=-1)])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=f'{next(iter(wrong))}'):
        MODELS.build(tiny_occupancy(**wrong))


def test_a_feature_that_is_no_plane_is_refused():
    model = MODELS.build(tiny_occupancy())
    model.online_encoder.features = [None]
    with pytest.raises(ConfigError, match='reads a BEV plane'):
        model(**model.data_preprocessor(pair_batch(), True))
