"""What the recipes need beside mmengine's optimizers and schedules."""

from __future__ import annotations

from mmdet3d.registry import OPTIMIZERS
from pytorch_optimizer import LARS

from .bf16_optim_wrapper import BFloat16OptimWrapper
from .warmup import CosineAfterWarmupLR, WarmupLR

# The paper's optimizer. pytorch-optimizer's leaves 1-D parameters (biases, BatchNorm) out of the layer-wise rates and
# out of weight decay, as BYOL does.
OPTIMIZERS.register_module(name='LARS', module=LARS, force=True)

__all__ = ['LARS', 'BFloat16OptimWrapper', 'CosineAfterWarmupLR', 'WarmupLR']
