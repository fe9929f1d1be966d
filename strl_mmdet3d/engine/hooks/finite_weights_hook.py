"""Ends a run as soon as its weights are no numbers any more."""

from __future__ import annotations

from mmdet3d.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..finite import DivergedError, first_non_finite
from ..run_start import checkpoint_folder, last_good
from ..unwrapping import unwrapped_model


@HOOKS.register_module()
class FiniteWeightsHook(Hook):
    """Look for NaN and infinity in all weights and buffers after each iteration, before a checkpoint is saved.

    With float16, a step with infinite gradients is skipped by the loss scaler, so the weights stay finite and the run
    goes on.
    """

    priority = 'LOW'

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Check the weights.

        Raises:
            DivergedError: If a value is NaN or infinite.
        """
        name = first_non_finite(unwrapped_model(runner).state_dict().items())
        if name is None:
            return
        losses = ', '.join(f'{key} {float(value):.4g}' for key, value in (outputs or {}).items() if 'loss' in key)
        folder = checkpoint_folder(runner.cfg)
        kept = last_good(folder, runner.cfg) if folder else 'its checkpoints are good'
        raise DivergedError(
            f'iteration {runner.iter + 1}: {name} holds NaN or infinity{f" ({losses})" if losses else ""}, so the run '
            f'has diverged; {kept}. Lower the learning rate (--allow-change optim_wrapper) or clip the gradients '
            '(optim_wrapper.clip_grad), and continue by --resume'
        )
