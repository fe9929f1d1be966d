"""The optimizers and schedules that the recipes need and mmengine lacks."""

from .bf16_optim_wrapper import BFloat16OptimWrapper
from .lars import LARS
from .warmup import CosineAfterWarmupLR, WarmupLR
