"""A warm-up and a cosine that fit a run of any length."""

from __future__ import annotations

from typing import Any

from mmdet3d.registry import PARAM_SCHEDULERS
from mmengine.optim.scheduler import CosineAnnealingLR, LinearLR


def with_length(schedulers: Any, epochs: float) -> Any:
    """Tell schedulers that fit a run of any length how many epochs it has.

    Args:
        schedulers: The config of one, of several, or of those of several optimizers; built ones stay as they are.
        epochs: Length of the run.

    Returns:
        The configs, with ``end`` where it was not set.
    """
    if isinstance(schedulers, (list, tuple)):
        return [with_length(each, epochs) for each in schedulers]
    if not isinstance(schedulers, dict):
        return schedulers
    if 'type' not in schedulers:
        return {name: with_length(each, epochs) for name, each in schedulers.items()}
    kind = schedulers['type']
    kind = PARAM_SCHEDULERS.get(kind) if isinstance(kind, str) else kind
    fits = isinstance(kind, type) and issubclass(kind, (WarmupLR, CosineAfterWarmupLR))
    return {'end': epochs, **schedulers} if fits else schedulers


def warmup_iterations(warmup: float, end: float, epoch_length: int) -> int:
    """Return the iterations of the warm-up: `warmup` epochs, at most half of the run's `end` epochs, at least one."""
    return max(1, int(min(warmup, end / 2) * epoch_length))


@PARAM_SCHEDULERS.register_module()
class WarmupLR(LinearLR):
    """mmengine's `LinearLR` for the first `warmup` epochs of a run, or for half of the run if that is shorter.

    In a config ``dict(type='WarmupLR', warmup=10, start_factor=1e-3, by_epoch=True, convert_to_iter_based=True)``,
    without an ``end``: the Runner fills in the length of the run.
    """

    @classmethod
    def build_iter_from_epoch(
        cls, *args: Any, warmup: float, end: float, epoch_length: int, by_epoch: bool = True, **kwargs: Any
    ) -> WarmupLR:
        """Build the scheduler, see :class:`mmengine.optim.scheduler.LinearLR` and `warmup_iterations`."""
        return cls(*args, begin=0, end=warmup_iterations(warmup, end, epoch_length), by_epoch=False, **kwargs)


@PARAM_SCHEDULERS.register_module()
class CosineAfterWarmupLR(CosineAnnealingLR):
    """mmengine's `CosineAnnealingLR` from the end of a `WarmupLR` with the same `warmup` to the end of the run."""

    @classmethod
    def build_iter_from_epoch(
        cls,
        *args: Any,
        warmup: float,
        end: float,
        epoch_length: int,
        begin: float | None = None,
        by_epoch: bool = True,
        **kwargs: Any,
    ) -> CosineAfterWarmupLR:
        """Build the scheduler, see :class:`mmengine.optim.scheduler.CosineAnnealingLR` and `warmup_iterations`."""
        first = warmup_iterations(warmup, end, epoch_length) if begin is None else int(begin * epoch_length)
        return cls(*args, begin=first, end=max(int(end * epoch_length), first + 1), by_epoch=False, **kwargs)
