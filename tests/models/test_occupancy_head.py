"""Predicting the voxels in hidden patches: against brute force, and with hand-computed losses."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tiny import RANGE, random_cloud

from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.models.occupancy_head import OccupancyHead, occupancy, patches_with


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


def test_all_cells_of_a_patch_with_a_point_count():
    occupied = torch.zeros(1, 2, 4, 4, dtype=torch.bool)
    occupied[0, 1, 3, 0] = True
    assert patches_with(occupied, (2, 2)).int().tolist() == [[[0, 0, 0, 0]] * 2 + [[1, 1, 0, 0]] * 2]


@pytest.mark.parametrize('temporal', [True, False])
def test_only_voxels_in_hidden_patches_with_points_count(temporal):
    """The other view counts only where it is predicted."""
    head = OccupancyHead(4, RANGE, temporal=temporal, loss_weight=3.0)
    generator = torch.Generator().manual_seed(0)
    rng = np.random.default_rng(0)
    clouds = {name: [random_cloud(rng, 40) for _ in range(3)] for name in ('view', 'other')}
    hidden = torch.rand(3, 8, 8, generator=generator) < 0.6
    views = [dict(whole=clouds[name], hidden=hidden) for name in ('view', 'other')]
    with torch.no_grad():
        head.predict.weight.zero_()
        head.predict.bias.copy_(torch.linspace(-1, 1, head.levels))
        loss = head.loss(torch.rand(3, 4, 16, 16), *views)
    both = [torch.cat(pair) for pair in zip(clouds['view'], clouds['other'], strict=True)]
    occupied = occupancy(both if temporal else clouds['view'], RANGE, (head.levels, 16, 16))
    terms: dict[bool, list[float]] = {True: [], False: []}
    for cloud in range(3):
        for row in range(16):
            for column in range(16):
                patch = occupied[cloud, :, row // 2 * 2 : row // 2 * 2 + 2, column // 2 * 2 : column // 2 * 2 + 2]
                if hidden[cloud, row // 2, column // 2] and patch.any():
                    for level, bias in enumerate(head.predict.bias.tolist()):
                        is_there = occupied[cloud, level, row, column].item()
                        terms[is_there].append(math.log1p(math.exp(-bias if is_there else bias)))
    expected = 3 * sum(sum(kind) / len(kind) for kind in terms.values()) / 2
    assert loss.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize('wrong', [dict(height=0), dict(loss_weight=0)])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match='height and loss_weight are above 0'):
        OccupancyHead(4, RANGE, **wrong)
