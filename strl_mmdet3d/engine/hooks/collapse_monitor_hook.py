"""A watch on the projections: whether they still differ from cloud to cloud."""

from __future__ import annotations

from collections import deque

import torch
from mmdet3d.registry import HOOKS
from mmengine.dist import all_reduce_dict
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from ...evaluation.representation import alignment, effective_rank, relative_distance, uniformity
from ...models.strl import STRL, projection_spread
from ..unwrapping import unwrapped_model

ADVICE = (
    'Lower the learning rate or warm it up for longer, raise tau_start of TargetUpdateHook, look whether the model has '
    'a predictor and the target no gradient, or take larger batches'
)


RANK_ROOM = 15
"""The rank of a batch is judged where at least this many directions are possible: min(B - 1, D)."""


class CollapseError(RuntimeError):
    """The projections have collapsed, and the run was asked to stop then. The last checkpoint stays."""


@HOOKS.register_module()
class CollapseMonitorHook(Hook):
    """Measure the online projections of a batch, log what is found, and tell when they have collapsed.

    Logged are (see :mod:`strl_mmdet3d.evaluation.representation`) ``effective_rank`` and ``uniformity``, each the mean
    of the two views, ``alignment`` of the two, and ``target_distance``, that of all parameters of the target network
    from the online ones. `STRL` itself logs ``spread`` in each iteration. Of several ranks each measures its own batch,
    and the means are logged and judged, so that all ranks stop together.

    A run counts as collapsed when for `patience` checks in a row

    - the spread was under `min_spread`: all clouds have nearly the same projection; or
    - the effective rank was under `min_rank`: they differ, but in one direction only. So collapses a projector with
      ``normalize=True``, which keeps the spread near 1. Judged on batches of 16 and more only, since a small batch has
      a small rank whatever the model is; or
    - they were NaN.

    It is told once; and once again if the projections have meanwhile recovered. A resumed run begins to count anew.

    The thresholds lie between what was measured in the first 80 to 200 iterations of runs with simulated data on a CPU:
    PointNet on shapes, a small PointPillars on LiDAR drives, PointNet on depth frames of rooms, in batches of 8 and 16.
    In ten healthy runs the spread was never under 0.74, nor the rank under 2.0 where it is judged. Without a predictor,
    and with a target that has gradients, the spread fell under 0.3 within 20 to 60 iterations, and the rank of a
    normalised projector under 1.4. Batches of 2 tell less, because BatchNorm keeps two clouds apart whatever they are:
    a healthy run had a single spread of 0.26, and of three that collapsed one was told within 200 iterations.

    Args:
        interval: In iterations, how often to check, at least 1. A check takes some milliseconds, and no forward
            pass of its own.
        min_spread: See above, in [0, 1].
        min_rank: See above, at least 0; 0 judges the spread alone.
        patience: See above, at least 1.
        stop: Whether the run ends when it has collapsed.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        interval: int = 10,
        min_spread: float = 0.3,
        min_rank: float = 1.6,
        patience: int = 3,
        stop: bool = False,
    ) -> None:
        if interval < 1 or patience < 1:
            raise ValueError(f'interval and patience must be at least 1, got {interval} and {patience}')
        if not 0 <= min_spread <= 1:
            raise ValueError(f'min_spread is in [0, 1], not {min_spread}')
        if min_rank < 0:
            raise ValueError(f'min_rank must not be negative, got {min_rank}')
        self.interval = interval
        self.min_spread = min_spread
        self.min_rank = min_rank
        self.patience = patience
        self.stop = stop

    def before_train(self, runner: Runner) -> None:
        """Begin to count."""
        self._num_low, self._told = 0, False

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """In an iteration that is due, listen to the projector."""
        if self.every_n_train_iters(runner, self.interval):
            # Local views are projected before the two views, so the last two outputs are those of the views.
            self._projections: deque[Tensor] = deque(maxlen=2)
            self._handle = unwrapped_model(runner).online_projector.register_forward_hook(self._keep)

    def _keep(self, projector: nn.Module, inputs: tuple, output: Tensor) -> None:
        """Keep an output of the projector."""
        self._projections.append(output.detach())

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """In an iteration that is due, measure, log and judge.

        Raises:
            CollapseError: If the projections have collapsed, and `stop` is set.
        """
        if not self.every_n_train_iters(runner, self.interval):
            return
        self._handle.remove()
        batch, width = self._projections[0].shape
        measures = self._measure(unwrapped_model(runner))
        spread = measures.pop('spread')
        runner.message_hub.update_scalars({f'train/{name}': value for name, value in measures.items()})
        healthy = spread >= self.min_spread  # NaN is not
        if min(batch - 1, width) >= RANK_ROOM:
            healthy &= measures['effective_rank'] >= self.min_rank
        self._judge(runner, healthy, spread, measures['effective_rank'])

    @torch.no_grad()
    def _measure(self, model: STRL) -> dict[str, float]:
        """Give the measures by name, the means over the ranks."""
        view_1, view_2 = self._projections
        self._projections.clear()
        measures = dict(
            spread=(projection_spread(view_1) + projection_spread(view_2)) / 2,
            effective_rank=(effective_rank(view_1) + effective_rank(view_2)) / 2,
            alignment=alignment(view_1, view_2),
            uniformity=(uniformity(view_1) + uniformity(view_2)) / 2,
            target_distance=relative_distance(
                [*model.online_encoder.parameters(), *model.online_projector.parameters()],
                [*model.target_encoder.parameters(), *model.target_projector.parameters()],
            ),
        )
        all_reduce_dict(measures, op='mean')
        return {name: value.item() for name, value in measures.items()}

    def _judge(self, runner: Runner, healthy: bool, spread: float, rank: float) -> None:
        """Count the checks in a row that were not healthy, and tell."""
        if healthy:
            self._num_low, self._told = 0, False
            return
        self._num_low += 1
        if self._num_low < self.patience or self._told:
            return
        self._told = True
        message = (
            f'iteration {runner.iter + 1}: the projections have collapsed. Their spread is {spread:.3f} (about 1 is '
            f'healthy, 0 the same projection for every cloud) and their effective rank {rank:.2f}; in {self._num_low} '
            f'checks in a row, every {self.interval} iterations, the spread was under {self.min_spread:g} or the rank '
            f'under {self.min_rank:g}. The encoder then learns nothing, however small the loss. {ADVICE}'
        )
        if self.stop:
            raise CollapseError(f'{message}. The last checkpoint is kept')
        runner.logger.warning(message)
