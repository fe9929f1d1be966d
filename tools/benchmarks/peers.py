"""What others have, imported where it is installed.

`make bench` installs these packages without their dependencies, most of which are not needed here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

FOLDER = Path(sys.prefix) / 'peers'
"""Where `make bench` installs them: apart, since mmdet would import mmpretrain wherever it finds it."""


@contextmanager
def peers() -> Iterator[None]:
    """Let the peers be imported.

    lightly and mmpretrain import torchvision. PyPI's wheel is linked to CUDA, so beside a torch without it the ops that
    its Python half names are not there, and are declared here. None is called.
    """
    if torch.version.cuda is None and not hasattr(torch.ops.torchvision, 'nms'):
        for name in ('nms', 'qnms'):
            torch.library.define(f'torchvision::{name}', '(Tensor dets, Tensor scores, float threshold) -> Tensor')
    sys.path.append(str(FOLDER))
    try:
        yield
    finally:
        sys.path.remove(str(FOLDER))


def pytorch_optimizer_lars() -> type:
    """Import pytorch-optimizer's LARS."""
    from pytorch_optimizer import LARS

    return LARS


def lightly_lars() -> type:
    """Import lightly's LARS."""
    with peers():
        from lightly.utils.lars import LARS

    return LARS


def mmpretrain_lars() -> type:
    """Import mmpretrain's LARS."""
    with peers():
        from mmpretrain.engine.optimizers import LARS

    return LARS


LARS = {
    'pytorch-optimizer LARS': pytorch_optimizer_lars,
    'lightly LARS': lightly_lars,
    'mmpretrain LARS': mmpretrain_lars,
}


def lightly_update_momentum() -> object:
    """Import lightly's moving average, a function of (online, target, tau)."""
    with peers():
        from lightly.models.utils import update_momentum

    return update_momentum


class LightlyBYOL(nn.Module):
    """BYOL as lightly's documentation puts it together, from its own parts, around a given trunk.

    Args:
        trunk: The online encoder, (a view) -> (B, D).
        target_trunk: Another of its kind.
        width: D.
    """

    def __init__(self, trunk: nn.Module, target_trunk: nn.Module, width: int) -> None:
        with peers():
            from lightly.loss import NegativeCosineSimilarity
            from lightly.models.modules.heads import BYOLPredictionHead, BYOLProjectionHead
            from lightly.models.utils import update_momentum

        super().__init__()
        self.backbone, self.backbone_momentum = trunk, target_trunk
        self.projection_head = BYOLProjectionHead(width, 4096, 256)
        self.projection_head_momentum = BYOLProjectionHead(width, 4096, 256)
        self.prediction_head = BYOLPredictionHead(256, 4096, 256)
        self.criterion = NegativeCosineSimilarity()
        self.update_momentum = update_momentum
        for parameter in (*target_trunk.parameters(), *self.projection_head_momentum.parameters()):
            parameter.requires_grad = False

    def step(self, views: dict, optimizer: torch.optim.Optimizer) -> None:
        """Make one step of the training loop in lightly's documentation."""
        self.update_momentum(self.backbone, self.backbone_momentum, m=0.996)
        self.update_momentum(self.projection_head, self.projection_head_momentum, m=0.996)
        predictions, projections = [], []
        for view in views.values():
            predictions.append(self.prediction_head(self.projection_head(self.backbone(view))))
            with torch.no_grad():
                projections.append(self.projection_head_momentum(self.backbone_momentum(view)).detach())
        loss = 0.5 * (self.criterion(predictions[0], projections[1]) + self.criterion(predictions[1], projections[0]))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
