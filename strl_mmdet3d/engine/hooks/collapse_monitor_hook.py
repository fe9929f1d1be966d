"""A watch on the projections: whether they still differ from cloud to cloud."""

from __future__ import annotations

from mmdet3d.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...errors import ConfigError, StrlError
from ...evaluation.representation import measure_projections
from ..unwrapping import unwrapped_model

RANK_ROOM = 15
"""The rank of a batch is judged where at least this many directions are possible: min(B - 1, D)."""

ADVICE = (
    'Lower the learning rate or warm it up for longer, raise tau_start of TargetUpdateHook, check that the model has a '
    'predictor and that the target has no gradient, or take larger batches'
)


class CollapseError(StrlError, RuntimeError):
    """The projections have collapsed, and the run was set to stop then. The last checkpoint stays."""


@HOOKS.register_module()
class CollapseMonitorHook(Hook):
    """Measure the model's latest `projections`, log the measures, and warn when the projections have collapsed.

    It logs (see :mod:`strl_mmdet3d.evaluation.representation`) ``spread``, ``effective_rank`` and ``uniformity``, each
    the mean of the two views, their ``alignment``, and ``target_distance``: the distance of all target parameters from
    the online ones. Each rank measures its own batch; the means are logged and judged, so that all ranks stop together.

    A run counts as collapsed when for `patience` checks in a row

    - the spread was under `min_spread`: all clouds have nearly the same projection; or
    - the effective rank was under `min_rank`: they differ in one direction only. A projector with ``normalize=True``
      collapses like this, because it keeps the spread near 1. The rank is judged from batches of 16 on, since a small
      batch has a small rank whatever the model is; or
    - they were NaN.

    It warns once, and once again if the projections have recovered in between. A resumed run starts a new count.

    The thresholds lie between values measured in the first 80 to 200 iterations of runs on simulated data on a CPU:
    PointNet on shapes, a small PointPillars on LiDAR drives, PointNet on depth frames of rooms, in batches of 8 and 16.
    In ten healthy runs the spread never fell under 0.74, nor the rank under 2.0 where it is judged. Without a
    predictor, and with a target that has gradients, the spread fell under 0.3 within 20 to 60 iterations, and the rank
    of a normalised projector under 1.4. Batches of 2 say less, because BatchNorm keeps two clouds apart whatever they
    are: a healthy run had a single spread of 0.26, and one of three collapsed runs was noticed within 200 iterations.

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
        min_rank: float = 1.6,
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

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Measure, log and judge every `interval` iterations.

        Raises:
            CollapseError: If the projections have collapsed, and `stop` is set.
        """
        if not self.every_n_train_iters(runner, self.interval):
            return
        model = unwrapped_model(runner)
        measures = measure_projections(model)
        runner.message_hub.update_scalars({f'train/{name}': value for name, value in measures.items()})
        healthy = measures['spread'] >= self.min_spread  # NaN is not
        batch, width = model.projections['view_1'].shape
        if min(batch - 1, width) >= RANK_ROOM:
            healthy &= measures['effective_rank'] >= self.min_rank
        self._judge(runner, healthy, measures['spread'], measures['effective_rank'])

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
