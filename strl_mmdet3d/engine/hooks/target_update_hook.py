"""Updates the target network after each optimizer step, with a tau that rises to 1."""

from __future__ import annotations

import math

from mmdet3d.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...errors import ConfigError
from ...mmengine_internals import accumulative_counts
from ..unwrapping import unwrapped_model


def tau_at(step: int, total_steps: int, tau_start: float) -> float:
    """Return tau on its way from `tau_start` to 1: tau = 1 - (1 - tau_start) (cos(pi k / K) + 1) / 2 (paper, Sec. 4).

    Beyond these ranges the cosine would fall again, so they are refused, not clamped.

    Args:
        step: k, the number of optimizer steps before this one, in [0, K].
        total_steps: K, the number of optimizer steps of the whole run, at least 1.
        tau_start: tau of the first update, in [0, 1].

    Returns:
        tau, in [tau_start, 1] up to rounding.

    Raises:
        ConfigError: If an argument is out of its range.
    """
    if not 0 <= tau_start <= 1:
        raise ConfigError(f'tau_start is in [0, 1], not {tau_start}')
    if total_steps < 1 or not 0 <= step <= total_steps:
        raise ConfigError(
            f'tau of step {step} in a run of {total_steps} optimizer steps is not defined: let train_cfg.max_epochs '
            '(or max_iters) cover every step of the run'
        )
    return 1 - (1 - tau_start) * (math.cos(math.pi * step / total_steps) + 1) / 2


@HOOKS.register_module()
class TargetUpdateHook(Hook):
    """Call ``model.update_target(tau)`` (the EMA of the paper's Eq. 3) once for each optimizer step, and log tau.

    The schedule of tau is in the paper's Sec. 4, see `tau_at`. A step that accumulates several micro-batches updates
    the target once. A resumed run continues with the tau at which it stopped.

    Args:
        tau_start: tau of the first update, in [0, 1]. Defaults to 0.996, the paper's.
        when: 'after_step' (the paper: the target averages the new parameters) or 'before_step' (the authors' released
            code: the update comes before the iteration, so the target lags by one step).
        buffers: Whether to average BatchNorm's running statistics too, as the released code does.

    Raises:
        ConfigError: If `tau_start` is not in [0, 1], or `when` is unknown.
    """

    def __init__(self, tau_start: float = 0.996, when: str = 'after_step', buffers: bool = False) -> None:
        if not 0 <= tau_start <= 1:
            raise ConfigError(f'tau_start is in [0, 1], not {tau_start}')
        if when not in ('after_step', 'before_step'):
            raise ConfigError(f"when is 'after_step' or 'before_step', not '{when}'")
        self.tau_start = tau_start
        self.when = when
        self.buffers = buffers

    def before_train(self, runner: Runner) -> None:
        """Refuse a run that ends before the checkpoint that it continues.

        Raises:
            ConfigError: If it does.
        """
        if runner.iter > runner.max_iters:
            raise ConfigError(
                f'the checkpoint has made {runner.iter} iterations, but this run ends after {runner.max_iters}: raise '
                'train_cfg.max_epochs to at least the number of epochs that the checkpoint was trained for'
            )

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """In the released code's order, update before the first micro-batch of each step."""
        if self.when == 'before_step':
            done, each = runner.iter, accumulative_counts(runner.optim_wrapper)
            if done % each == 0:
                self._update(runner, step=done // each)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """In the paper's order, update right after the optimizer's step."""
        # runner.iter advances after this call. update_params() has just stepped if should_update() is true.
        if self.when == 'after_step' and runner.optim_wrapper.should_update():
            self._update(runner, step=runner.iter // accumulative_counts(runner.optim_wrapper))

    def _update(self, runner: Runner, step: int) -> None:
        """Update the target for the k-th step, k = `step`, counted from 0."""
        # The last step of a run may hold fewer micro-batches than the others.
        total_steps = math.ceil(runner.max_iters / accumulative_counts(runner.optim_wrapper))
        tau = tau_at(step, total_steps, self.tau_start)
        model = unwrapped_model(runner)
        model.update_target(tau, self.buffers)
        runner.message_hub.update_scalar('train/tau', tau)
