"""Predicting which cells have moved: against brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tiny import RANGE, random_cloud

from strl_mmdet3d.datasets.transforms.mark_moved import MOVED, STAYS
from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.models.motion_head import BETA, LEAST_POINTS, MotionHead, count


def test_points_of_a_mark_are_counted_in_their_cells():
    points = torch.tensor([[0.5, -7.5, 0], [0.5, -7.5, 0.5], [15.5, 7.5, 0], [15.5, 7.5, 0], [16.5, 0, 0], [1, 1, 5.0]])
    marks = torch.tensor([MOVED, STAYS, MOVED, MOVED, MOVED, MOVED])
    counts = count([points], [marks], MOVED, RANGE, (16, 16))
    assert counts.sum() == 3  # the others lie outside, or stay
    assert counts[0, 0, 0] == 1
    assert counts[0, 15, 15] == 2


def test_visible_cells_with_enough_marked_points_count():
    rng = np.random.default_rng(0)
    clouds = [random_cloud(rng, 400) for _ in range(2)]
    marks = [torch.from_numpy(rng.integers(0, 3, len(points))) for points in clouds]
    hidden = torch.from_numpy(rng.uniform(size=(2, 4, 4)) < 0.4)
    head = MotionHead(1, RANGE, boxes=False, loss_weight=2.0)
    with torch.no_grad():
        head.predict.weight.fill_(1.0)
        head.predict.bias.zero_()
    plane = torch.from_numpy(rng.normal(size=(2, 1, 8, 8)).astype(np.float32))
    terms: dict[bool, list[float]] = {True: [], False: []}
    for cloud in range(2):
        for row in range(8):
            for column in range(8):
                found = {MOVED: 0, STAYS: 0}
                for (x, y, _, _), mark in zip(clouds[cloud].tolist(), marks[cloud].tolist(), strict=True):
                    if mark in found and (math.floor((y + 8) / 2), math.floor(x / 2)) == (row, column):
                        found[mark] += 1
                if sum(found.values()) >= LEAST_POINTS and not hidden[cloud, row // 2, column // 2]:
                    has_moved, logit = found[MOVED] > found[STAYS], plane[cloud, 0, row, column].item()
                    terms[has_moved].append(math.log1p(math.exp(-logit if has_moved else logit)))
    assert min(map(len, terms.values())) > 5
    expected = 2 * sum(sum(kind) / len(kind) for kind in terms.values()) / 2
    loss = head.loss(plane, dict(whole=clouds, marks=marks, hidden=hidden), {})
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_each_cell_of_a_thing_learns_the_box_around_it():
    """A car of 4 x 2 m, its box read back from the code of each cell."""
    x, y = torch.meshgrid(torch.linspace(3, 7, 17), torch.linspace(-1, 1, 9), indexing='ij')
    car = torch.stack([x.flatten(), y.flatten(), torch.zeros(153), torch.zeros(153)], dim=1)
    car[0, 2] = 1.0
    other = torch.tensor([[12.0, 5, 0, 0]])
    codes, known = MotionHead(1, RANGE).encode([torch.cat([car, other])], [torch.tensor([4] * 153 + [-1])], (16, 16))
    expected = torch.zeros(16, 16, dtype=torch.bool)
    expected[7:10, 3:8] = True
    assert torch.equal(known[0], expected)
    for row, column in expected.nonzero().tolist():
        code = codes[0, row, column]
        assert code[:2].tolist() == pytest.approx([5 - (column + 0.5), 0 - (row + 0.5 - 8)])
        assert code[2].item() == pytest.approx(0.5)
        assert code[3:6].exp().tolist() == pytest.approx([4, 2, 1], rel=1e-4)
        assert code[6:].tolist() == pytest.approx([0, 1], abs=1e-4)
    assert codes[0][~expected].abs().sum() == 0


def test_things_of_several_clouds_keep_apart_and_the_last_has_a_shared_cell():
    """The same number in two clouds is two things. A cell has the box of the thing with the highest number in it."""
    first = torch.tensor([[3.2, 0.2, 0, 0], [3.8, 0.8, 0, 0], [3.4, 0.4, 0.5, 0], [30.0, 0, 0, 0]])
    second = torch.tensor([[9.2, 3.2, 0, 0], [9.8, 3.8, 2.0, 0]])
    head = MotionHead(1, RANGE)
    codes, known = head.encode([first, second], [torch.tensor([0, 0, 7, 9]), torch.tensor([0, 0])], (16, 16))
    assert known.nonzero().tolist() == [[0, 8, 3], [1, 11, 9]]  # the thing at x = 30 is out of the area
    alone, _ = head.encode([first[2:3]], [torch.tensor([3])], (16, 16))
    torch.testing.assert_close(codes[0, 8, 3], alone[0, 8, 3])
    apart, _ = head.encode([second], [torch.tensor([5, 5])], (16, 16))
    torch.testing.assert_close(codes[1, 11, 9], apart[0, 11, 9])


def test_a_scan_without_things_has_no_boxes():
    codes, known = MotionHead(1, RANGE).encode([torch.ones(3, 4)], [torch.full((3,), -1)], (16, 16))
    assert codes.shape == (1, 16, 16, 8)
    assert not known.any()


def test_the_loss_adds_the_boxes_of_visible_moved_cells():
    points = torch.tensor([[3.2, 0.2, 0, 0], [3.8, 0.8, 0, 0], [9.2, 3.2, 0, 0], [9.8, 3.8, 0, 0]])
    view = dict(
        whole=[points],
        marks=[torch.tensor([MOVED] * 4)],
        things=[torch.tensor([0, 0, 1, 1])],
        hidden=torch.zeros(1, 16, 16, dtype=torch.bool),
    )
    view['hidden'][0, 11, 9] = True  # the second thing
    head = MotionHead(1, RANGE)
    with torch.no_grad():
        head.predict.weight.zero_()
        head.predict.bias.zero_()
    codes, _ = head.encode(view['whole'], view['things'], (16, 16))
    off = codes[0, 8, 3].abs()
    expected = torch.where(off < BETA, off**2 / (2 * BETA), off - BETA / 2).mean() + math.log(2)
    torch.testing.assert_close(head.loss(torch.zeros(1, 1, 16, 16), view, {}), expected)


def test_points_without_marks_are_refused():
    whole = [torch.ones(3, 4)]
    with pytest.raises(ConfigError, match='MotionHead needs marked points'):
        MotionHead(1, RANGE).loss(torch.zeros(1, 1, 8, 8), dict(whole=whole), {})
    with pytest.raises(ConfigError, match="'pts_instance_mask'"):
        MotionHead(1, RANGE).loss(torch.zeros(1, 1, 8, 8), dict(whole=whole, marks=[torch.zeros(3)]), {})


def test_a_weight_of_0_is_refused():
    with pytest.raises(ConfigError, match='loss_weight is above 0'):
        MotionHead(1, RANGE, loss_weight=0)
