"""A watch on the projections: whether they still differ from cloud to cloud."""

from __future__ import annotations

from collections import deque

from mmdet3d.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from ...errors import ConfigError, StrlError
from ...evaluation.representation import measure_projections, measure_rank
from ..unwrapping import unwrapped_model

RANK_ROOM = 31
"""The rank is measured over so many batches that this many directions are possible, as in one batch of 32.

With half of it, healthy runs dip lower: the rank of a small PointPillars, over 300 iterations, to 1.45 instead of 1.54.
"""

ADVICE = (
    'Lower the learning rate or warm it up for longer, raise tau_start of TargetUpdateHook, check that the model has a '
    'predictor and that the target has no gradient, or take larger batches'
)


class CollapseError(StrlError, RuntimeError):
    """The projections have collapsed, and the run was set to stop then. The last checkpoint stays."""


@HOOKS.register_module()
class CollapseMonitorHook(Hook):
    """Measure the model's latest `projections`, log the measures, and warn when the projections have collapsed.

    It logs (see :mod:`strl_mmdet3d.evaluation.representation`) ``spread``, ``uniformity`` and ``effective_rank``, each
    the mean of the two views, their ``alignment``, and ``target_distance``: the distance of all target parameters from
    the online ones. Each rank measures its own batch; the means are logged and judged, so that all ranks stop together.

    A small batch has a small rank whatever the model is. So the effective rank is measured over the latest batches of
    all ranks together, each about its own mean: as many of each rank as have `RANK_ROOM` directions, which are 31
    batches of 2, 5 of 8, or 1 of 32 or more. They are of consecutive iterations, in which the parameters hardly move,
    while a single direction that turns from check to check would look like several.

    A run counts as collapsed when for `patience` checks in a row

    - the spread was under `min_spread`: all clouds have nearly the same projection; or
    - the effective rank was under `min_rank`: they differ in one direction only. A projector with ``normalize=True``
      collapses like this, because it keeps the spread near 1. The rank is judged from `RANK_ROOM` directions on; or
    - they were NaN.

    It warns once, and once again if the projections have recovered in between. A resumed run starts a new count.

    The thresholds lie between values measured in the first 60 to 400 iterations of runs on simulated data on a CPU:
    PointNet on shapes, a small PointPillars on LiDAR drives, PointNet on depth frames of rooms, in batches of 2 to 16.
    In 24 healthy runs no three checks in a row had a rank under 1.54 (LiDAR in batches of 16, after 250 iterations; 4.6
    for shapes and rooms), nor a spread under 0.7 from batches of 4 on, or 0.54 in batches of 2. A projector of a single
    direction has a rank of 1.00 to 1.04 at every batch size. Without a predictor, and with a target that has gradients,
    the spread fell under 0.3 within 60 iterations in batches of 8, and within 100 in batches of 2. With 100 times the
    recipe's rate, the rank fell to 1.0 to 1.4 on LiDAR in batches of 4 and 8, which is noticed. It stayed at 2 to 3 on
    shapes and rooms, and on shapes with a normalised projector without a predictor, which is not noticed: PointPillars
    has as few directions when it is healthy.

    Args:
        interval: Iterations between checks, at least 1. A check takes some milliseconds, and no forward pass.
        min_spread: See above, in [0, 1].
        min_rank: See above, at least 0; 0 judges the spread alone.
        patience: See above, at least 1.
        stop: Whether the run ends when it has collapsed.

    Raises:
        ConfigError: If an argument is out of its range.
    """

    def __init__(
        self,
        interval: int = 10,
        min_spread: float = 0.3,
        min_rank: float = 1.5,
        patience: int = 3,
        stop: bool = False,
    ) -> None:
        if interval < 1 or patience < 1:
            raise ConfigError(f'interval and patience must be at least 1, got {interval} and {patience}')
        if not 0 <= min_spread <= 1:
            raise ConfigError(f'min_spread is in [0, 1], not {min_spread}')
        if min_rank < 0:
            raise ConfigError(f'min_rank must not be negative, got {min_rank}')
        self.interval = interval
        self.min_spread = min_spread
        self.min_rank = min_rank
        self.patience = patience
        self.stop = stop

    def before_train(self, runner: Runner) -> None:
        """Start the count."""
        self._num_low, self._warned = 0, False
        self._recent: deque[tuple[Tensor, Tensor]] = deque(maxlen=RANK_ROOM)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Measure, log and judge every `interval` iterations.

        Raises:
            CollapseError: If the projections have collapsed, and `stop` is set.
        """
        model = unwrapped_model(runner)
        self._keep(model.projections['view_1'], model.projections['view_2'])
        if not self.every_n_train_iters(runner, self.interval):
            return
        measures = measure_projections(model)
        measures['effective_rank'], room = measure_rank(list(zip(*self._recent, strict=True)))
        runner.message_hub.update_scalars({f'train/{name}': value for name, value in measures.items()})
        healthy = measures['spread'] >= self.min_spread  # NaN is not
        if room >= RANK_ROOM:
            healthy &= measures['effective_rank'] >= self.min_rank
        self._judge(runner, healthy, measures['spread'], measures['effective_rank'])

    def _keep(self, view_1: Tensor, view_2: Tensor) -> None:
        """Keep the latest batches of this rank, as many as `RANK_ROOM` needs."""
        self._recent.append((view_1, view_2))
        while sum(len(batch) - 1 for batch, _ in self._recent) - (len(self._recent[0][0]) - 1) >= RANK_ROOM:
            self._recent.popleft()

    def _judge(self, runner: Runner, healthy: bool, spread: float, rank: float) -> None:
        """Count the unhealthy checks in a row, and warn or stop."""
        if healthy:
            self._num_low, self._warned = 0, False
            return
        self._num_low += 1
        if self._num_low < self.patience or self._warned:
            return
        self._warned = True
        message = (
            f'iteration {runner.iter + 1}: the projections have collapsed. Their spread is {spread:.3f} (about 1 is '
            f'healthy, 0 the same projection for every cloud) and their effective rank {rank:.2f}; in {self._num_low} '
            f'checks in a row, every {self.interval} iterations, the spread was under {self.min_spread:g} or the rank '
            f'under {self.min_rank:g}. The encoder then learns nothing, however small the loss. {ADVICE}'
        )
        if self.stop:
            raise CollapseError(f'{message}. The last checkpoint is kept')
        runner.logger.warning(message)
