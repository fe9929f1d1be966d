"""Measures how far the encoder's weights have moved since the run began."""

from __future__ import annotations

from typing import Any

import torch
from mmdet3d.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from ...errors import ConfigError
from ...evaluation.representation import relative_distance
from ...evaluation.run_verdict import hardly_moved_advice
from ...mmengine_internals import is_resumed
from ..unwrapping import unwrapped_model

INITIAL_KEY = 'initial_encoder'
"""The key of a checkpoint that holds the encoder's weights as they were when the run began."""


@HOOKS.register_module()
class WeightsMovedHook(Hook):
    """Log how far the weights of the online encoder have moved, and warn at the end of a run if it is hardly at all.

    A low loss does not say that an encoder has learned: after few iterations with a small learning rate its filters are
    still nearly the random ones that it began with. The measure is ||w - w_0|| / ||w_0|| over all weights of the
    encoder, and over the weights of each part of the detector's trunk (``backbone``, ``neck``, ...). It is logged as
    ``weights_moved`` and ``weights_moved/PART``, the parts to the visualizer only; the report lists both.

    Weights are the parameters of more than one dimension. Biases and BatchNorm's scales and shifts are left out: LARS
    does not limit their steps as it does for weights, so they can hide that the filters stay. A small PointPillars in
    batches of 8 moved them by 37 % in 60 iterations of the paper's LARS, and its weights by 0.8 %.

    A large value does not prove that the encoder has learned something useful; a small one shows that it has not.

    Each checkpoint holds w_0, so a resumed run goes on to compare with its true beginning, wherever its files were
    moved. This makes it 5 to 18 % larger (VoteNet, PointPillars; it also holds the projector, the target network and
    the optimizer's state).

    Args:
        interval: Iterations between two measurements, at least 1. One takes 1 to 40 ms on a CPU core.
        least: A run that moved the weights by less than this ends with a warning, at least 0; 0 never warns. Defaults
            to 0.05: of pre-trainings of a small PointPillars on simulated drives, the one that moved by 0.015 gained
            nothing and the ones that moved by 0.18 and more did; PointNet on 1264 real shapes moved by 0.021 and 0.035
            in 104 and 416 iterations of LARS (one seed each), and a linear probe found no clear gain.

    Raises:
        ConfigError: If an argument is out of its range.
    """

    def __init__(self, interval: int = 50, least: float = 0.05) -> None:
        if interval < 1:
            raise ConfigError(f'WeightsMovedHook: interval must be at least 1, got {interval}')
        if not least >= 0:
            raise ConfigError(f'WeightsMovedHook: least must not be negative, got {least}')
        self.interval = interval
        self.least = least
        self.initial: dict[str, Tensor] | None = None

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Take the beginning of the run that goes on."""
        if is_resumed(runner):
            self.initial = checkpoint.get(INITIAL_KEY)

    def before_train(self, runner: Runner) -> None:
        """Keep the weights, if the run begins here."""
        weights = weights_of(runner)
        if not is_resumed(runner):
            self.initial = {name: weight.clone() for name, weight in weights.items()} or None
        elif self.initial is not None and fits(self.initial, weights):
            self.initial = {name: self.initial[name].to(weight) for name, weight in weights.items()}
        else:
            self.initial = None
            runner.logger.warning(
                'the checkpoint does not hold the weights that its run began with, so how far they move is not measured'
            )

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Write the beginning of the run into the checkpoint."""
        if self.initial is not None:
            checkpoint[INITIAL_KEY] = {name: weight.cpu() for name, weight in self.initial.items()}

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Measure and log every `interval` iterations."""
        if self.initial is not None and self.every_n_train_iters(runner, self.interval):
            moved = measure_moved(self.initial, weights_of(runner))
            runner.message_hub.update_scalar('train/weights_moved', moved['weights_moved'])
            runner.visualizer.add_scalars(moved, step=runner.iter + 1)

    def after_train(self, runner: Runner) -> None:
        """Log how far the weights have moved in the whole run, as a warning if it is too little."""
        if self.initial is None:
            return
        moved = measure_moved(self.initial, weights_of(runner))
        runner.visualizer.add_scalars(moved, step=runner.iter)
        whole = moved.pop('weights_moved')
        parts = ', '.join(f'{name.partition("/")[2]} {way:.1%}' for name, way in moved.items())
        message = f"since the run began, the encoder's weights have moved by {whole:.1%} of their norm ({parts})"
        if whole >= self.least:
            runner.logger.info(message)
        else:
            runner.logger.warning(
                f'{message}, under {self.least:.1%}: the encoder is still nearly the one that it began as. '
                f'{hardly_moved_advice(type(runner.optim_wrapper.optimizer).__name__)}'
            )


def weights_of(runner: Runner) -> dict[str, Tensor]:
    """Return the weights of the online encoder by name, detached: its parameters of more than one dimension."""
    encoder: nn.Module = unwrapped_model(runner).online_encoder
    return {name: parameter.detach() for name, parameter in encoder.named_parameters() if parameter.dim() > 1}


def fits(initial: Any, weights: dict[str, Tensor]) -> bool:
    """Return whether what a checkpoint holds are tensors with the names and shapes of the weights."""
    return (
        isinstance(initial, dict)
        and initial.keys() == weights.keys()
        and all(isinstance(initial[name], Tensor) and initial[name].shape == weights[name].shape for name in weights)
    )


@torch.no_grad()
def measure_moved(initial: dict[str, Tensor], weights: dict[str, Tensor]) -> dict[str, float]:
    """Measure how far weights have moved, relative to the norm that they had.

    Args:
        initial: Name -> weight at the beginning. ``detector.neck.blocks.0.weight`` is of the part ``neck``.
        weights: The same now.

    Returns:
        ``weights_moved`` for all together, and ``weights_moved/PART`` for each part.
    """
    parts: dict[str, list[str]] = {'weights_moved': list(initial)}
    for name in initial:
        parts.setdefault(f'weights_moved/{name.removeprefix("detector.").partition(".")[0]}', []).append(name)
    return {
        part: relative_distance([initial[name] for name in names], [weights[name] for name in names]).item()
        for part, names in parts.items()
    }
