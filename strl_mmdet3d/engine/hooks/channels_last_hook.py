"""An option: the memory order that convolutions over images are fastest in."""

from __future__ import annotations

import torch
from mmdet3d.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn


def put_channels_last(model: nn.Module) -> int:
    """Keep the weights of the convolutions over images with their channels last, in place.

    Those of 1 x 1 are left: they are the shared perceptrons of PointNet++, whose features mmcv's ops take in their
    usual order only, and between other convolutions they follow the order of what they are given.

    Args:
        model: Any model. The parameters stay the same objects, so optimizers and wrappers do not notice.

    Returns:
        The number of convolutions.
    """
    images = [
        module
        for module in model.modules()
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and max(module.kernel_size) > 1
    ]
    for module in images:
        module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)
    return len(images)


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Keep the weights of convolutions over images channels last; cuDNN and oneDNN then keep the features so too.

    For trunks with a bird's-eye view (PointPillars, SECOND's 2D half). The sums are taken in another order, so results
    differ by rounding.

    Raises:
        ValueError: Ahead of the training, if the model has no such convolution.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner: Runner) -> None:
        """Reorder the weights."""
        if put_channels_last(runner.model) == 0:
            raise ValueError('ChannelsLastHook: the model has no convolutions over images; remove it from custom_hooks')
