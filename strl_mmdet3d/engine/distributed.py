"""Training on several ranks, with GPUs by NCCL and without by gloo."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import torch
from mmengine.config import Config
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.registry import MODEL_WRAPPERS  # the Runner looks into the root registry, not into mmdet3d's
from torch import Tensor, distributed, nn

from ..errors import ConfigError
from ..models.strl import STRL

ENVIRONMENT = ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT')


@MODEL_WRAPPERS.register_module()
class STRLDistributedDataParallel(MMDistributedDataParallel):
    """mmengine's distributed wrapper, which works without a GPU too, and leaves STRL's step to STRL.

    The gradient of a step is the mean over the ranks. The target follows the parameters by one rule, so it is the same
    on all ranks. A checkpoint holds BatchNorm's running statistics of rank 0.

    A parameter without a gradient stops torch's wrapper in the second step, unless ``find_unused_parameters`` is set,
    as the base config of a pre-training does. The step of `STRL` needs it only with ``detect_anomalous_params``.

    Args:
        module: The model.
        device_ids: The GPU of this rank; the Runner passes one whether it exists or not.
        kwargs: Passed on to torch's ``DistributedDataParallel``.
    """

    def __init__(self, module: nn.Module, device_ids: Sequence[int] | None = None, **kwargs: Any) -> None:
        on_gpu = next(module.parameters()).is_cuda
        super().__init__(module, device_ids=device_ids if on_gpu else None, **kwargs)

    def train_step(self, data: dict, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """Make the model's own step if it exchanges gradients by itself, as `STRL` does; otherwise mmengine's."""
        # Anomalous parameters are looked for in the whole loss.
        if isinstance(self.module, STRL) and not self.detect_anomalous_params:
            return self.module.train_step(data, optim_wrapper)
        return super().train_step(data, optim_wrapper)


def use_ranks_without_gpu(config: Config) -> None:
    """Let a run with a launcher train on the CPU. With a GPU, or without a launcher, change nothing.

    mmengine's launchers need a GPU. So the process group is created here, with gloo, before the Runner looks for one.
    The wrapper becomes one that works on the CPU. Synchronised BatchNorm, which torch has for GPUs only, is left out.

    Args:
        config: The run's config; ``launcher`` says how it was started.

    Raises:
        ConfigError: If the launcher is not torchrun's, or its environment is missing.
    """
    if config.launcher == 'none' or torch.cuda.is_available():
        return
    if config.launcher != 'pytorch':
        raise ConfigError(f'without a GPU, start the ranks by torchrun (tools/dist_train.sh), not by {config.launcher}')
    missing = [name for name in ENVIRONMENT if name not in os.environ]
    if missing:
        raise ConfigError(f'--launcher pytorch without {", ".join(missing)}: start the run by tools/dist_train.sh')
    if config.get('sync_bn'):
        print('without a GPU, sync_bn has no effect: BatchNorm takes the statistics of each rank separately')
        config.sync_bn = None
    wrapper = config.setdefault('model_wrapper_cfg', dict())
    if 'find_unused_parameters' in config:  # the Runner reads it only if the config names no wrapper
        wrapper.setdefault('find_unused_parameters', config.find_unused_parameters)
    wrapper.setdefault('type', STRLDistributedDataParallel.__name__)
    if not distributed.is_initialized():
        timeout = config.get('env_cfg', {}).get('dist_cfg', {}).get('timeout', 1800)
        distributed.init_process_group('gloo', timeout=timedelta(seconds=timeout))


def leave_ranks() -> None:
    """Wait for all ranks, and leave the process group; without one, do nothing.

    A rank that ends while another still listens to it makes that one abort, and torchrun would call the run failed.
    """
    if distributed.is_available() and distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()
