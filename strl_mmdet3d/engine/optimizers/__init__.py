"""The optimizers and schedules that the recipes need and mmengine lacks."""

from __future__ import annotations

from mmdet3d.registry import OPTIMIZERS
from pytorch_optimizer import LARS

from .bf16_optim_wrapper import BFloat16OptimWrapper
from .warmup import CosineAfterWarmupLR, WarmupLR

# The paper's optimizer. The LARS of pytorch-optimizer excludes 1-D parameters (biases, BatchNorm) from the layer-wise
# rates and from weight decay, as BYOL does.
OPTIMIZERS.register_module(name='LARS', module=LARS, force=True)
