"""Probes the online encoder with labels while it trains."""

from __future__ import annotations

from mmdet3d.registry import DATASETS, HOOKS
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...errors import ConfigError
from ...evaluation.features import read_clouds
from ...evaluation.online_encoding import training_untouched
from ...extras import extra
from ..unwrapping import unwrapped_model

SCALAR = 'probe/knn_accuracy'


@HOOKS.register_module()
class OnlineProbeHook(Hook):
    """Every few epochs, classify labelled clouds by the nearest neighbours of their features, and log the accuracy.

    The scalar is ``probe/knn_accuracy``, in per cent, at the number of iterations done. The first value, at iteration
    0, is of the encoder before its training: compare all others with it. k is chosen inside the training part, see
    `cosine_knn`. The encoder does not learn from the labels: the training continues as without the hook, bit for bit.

    Cost: rank 0 keeps all labelled clouds in memory, 12 bytes a point (24 MB for 1000 clouds of 2048 points). In each
    probe it encodes every cloud once, forward only. That takes about an eighth of the time of a training pair, which is
    two views through two networks, and the gradient of one network. The other ranks wait.

    Needs the extra 'probe' (scikit-learn).

    Args:
        train: The config of the labelled data set whose clouds are the neighbours, such as a `ShapeDataset`; see
            `read_clouds` for what it gives.
        test: The config of the data set whose clouds are classified.
        interval: Epochs between two probes, at least 1.
        batch_size: Clouds that are encoded at a time, at least 1.

    Raises:
        ConfigError: If `interval` or `batch_size` is below 1.
    """

    def __init__(self, train: dict, test: dict, interval: int = 1, batch_size: int = 32) -> None:
        if interval < 1 or batch_size < 1:
            raise ConfigError(f'interval and batch_size must be at least 1, got {interval} and {batch_size}')
        self.train = train
        self.test = test
        self.interval = interval
        self.batch_size = batch_size

    @master_only
    def before_train(self, runner: Runner) -> None:
        """Read the labelled clouds, and probe the encoder at the start of a new run.

        Raises:
            MissingExtraError: If scikit-learn is not installed.
            ConfigError: If a data set does not give one label per cloud.
        """
        with extra('probe'):
            from ...evaluation.online_probe import online_probe
        self._probe = online_probe
        with training_untouched(unwrapped_model(runner)):
            self._clouds = [read_clouds(DATASETS.build(config), seed=0) for config in (self.train, self.test)]
        if runner.iter == 0:
            self._run(runner)

    @master_only
    def after_train_epoch(self, runner: Runner) -> None:
        """Probe after every `interval` epochs."""
        if self.every_n_epochs(runner, self.interval):
            self._run(runner)

    def _run(self, runner: Runner) -> None:
        """Probe and log."""
        model = unwrapped_model(runner)
        train, test = self._clouds
        with training_untouched(model):
            probe = self._probe(model, train, test, self.batch_size)
        if probe is None:
            runner.logger.warning('no online probe: the encoder gives features that are NaN or infinite')
            return
        runner.logger.info(
            f'online probe after {runner.iter} iterations: {probe.accuracy:.1f} % of {len(test)} clouds '
            f'are classified rightly by their {probe.chosen} nearest neighbours'
        )
        runner.visualizer.add_scalar(SCALAR, probe.accuracy, step=runner.iter)
        runner.message_hub.update_scalar(SCALAR, probe.accuracy)
