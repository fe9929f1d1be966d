"""An option: the memory order that convolutions over images are fastest in."""

from __future__ import annotations

import torch
from mmdet3d.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Keep the weights of 2D convolutions with their channels last; cuDNN and oneDNN then keep the features so too.

    For trunks with a bird's-eye view (PointPillars, SECOND's 2D half) or shared perceptrons (PointNet++); nothing
    changes for sparse convolutions. The sums are taken in another order, so results differ by rounding.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner: Runner) -> None:
        """Reorder the weights; the parameters stay the same objects, so optimizers and wrappers do not notice."""
        runner.model.to(memory_format=torch.channels_last)
