"""The loss in which the rarer kind counts as much as the other."""

from __future__ import annotations

import math

import pytest
import torch

from strl_mmdet3d.models.balanced_loss import balanced_loss


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
