"""Freezes parts of the model in fine-tuning."""

from __future__ import annotations

from collections.abc import Sequence

from mmdet3d.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from ...errors import ConfigKeyError
from ..unwrapping import unwrapped_model


@HOOKS.register_module()
class FreezeHook(Hook):
    """Keep parts of the model as they were loaded: no gradient, and BatchNorm in evaluation mode.

    Under ``DistributedDataParallel`` set ``find_unused_parameters=True``, because the Runner wraps the model before
    this hook runs.

    Args:
        modules: Names of the submodules to freeze, such as ``['voxel_encoder', 'middle_encoder']``.
    """

    def __init__(self, modules: Sequence[str]) -> None:
        self.modules = list(modules)

    def before_train(self, runner: Runner) -> None:
        """Switch the gradients off.

        Raises:
            ConfigKeyError: If the model lacks such a submodule; names the submodules that it has.
        """
        for module in self._frozen(runner):
            module.requires_grad_(False)
        count = sum(parameter.numel() for module in self._frozen(runner) for parameter in module.parameters())
        runner.logger.info(f'frozen: {", ".join(self.modules)} ({count:,} parameters)')

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Put the frozen parts into evaluation mode; the loops repeatedly put the whole model into training mode."""
        for module in self._frozen(runner):
            module.eval()

    def _frozen(self, runner: Runner) -> list[nn.Module]:
        """Return the submodules to freeze."""
        model = unwrapped_model(runner)
        modules = dict(model.named_modules())
        unknown = [name for name in self.modules if name not in modules]
        if unknown:
            raise ConfigKeyError(
                f'FreezeHook: {type(model).__name__} has no {unknown}; set modules to names below '
                f'{list(dict(model.named_children()))}'
            )
        return [modules[name] for name in self.modules]
