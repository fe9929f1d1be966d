"""A probe of the online encoder with labels, while it trains."""

from __future__ import annotations

import numpy as np
from mmdet3d.registry import DATASETS, HOOKS
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...evaluation.features import LabelledClouds, read_clouds
from ...evaluation.knn_probe import cosine_knn
from ...evaluation.online_encoding import encode_online, training_untouched
from ..unwrapping import unwrapped_model

SCALAR = 'probe/knn_accuracy'


@HOOKS.register_module()
class OnlineProbeHook(Hook):
    """Classify labelled clouds by the nearest neighbours of their features, every few epochs; log the accuracy.

    The first value, at iteration 0, is that of the encoder before its training, which all others are to be compared
    with. k is chosen inside the training part, see `cosine_knn`. The scalar is ``probe/knn_accuracy``, in per cent, at
    the number of iterations done. Labels teach the encoder nothing, and the training goes on as without the hook, bit
    for bit.

    What it costs: rank 0 keeps all labelled clouds in memory, 12 bytes a point (24 MB for 1000 clouds of 2048 points),
    and encodes each once a probe, forward only: about an eighth of what a training pair takes, which is two views
    through two networks and the gradient of one of them. The other ranks wait.

    Args:
        train: The config of the labelled data set whose clouds are the neighbours, such as a `ShapeDataset`; see
            `read_clouds` for what it gives.
        test: That of the clouds that are classified.
        interval: In epochs, how often to probe, at least 1.
        batch_size: Clouds that are encoded at a time.

    Raises:
        ValueError: If `interval` or `batch_size` is below 1.
    """

    def __init__(self, train: dict, test: dict, interval: int = 1, batch_size: int = 32) -> None:
        if interval < 1 or batch_size < 1:
            raise ValueError(f'interval and batch_size must be at least 1, got {interval} and {batch_size}')
        self.train = train
        self.test = test
        self.interval = interval
        self.batch_size = batch_size

    @master_only
    def before_train(self, runner: Runner) -> None:
        """Read the labelled clouds, and probe the encoder that a new run begins with.

        Raises:
            ValueError: If a data set gives something else than one label a cloud.
        """
        with training_untouched(unwrapped_model(runner)):
            self._train_clouds, self._test_clouds = (
                read_clouds(DATASETS.build(config), seed=0) for config in (self.train, self.test)
            )
        if runner.iter == 0:
            self._probe(runner)

    @master_only
    def after_train_epoch(self, runner: Runner) -> None:
        """Probe, if the epoch is one to probe after."""
        if self.every_n_epochs(runner, self.interval):
            self._probe(runner)

    def _probe(self, runner: Runner) -> None:
        """Encode, classify and log."""
        model = unwrapped_model(runner)

        def encode(clouds: LabelledClouds) -> np.ndarray:
            return encode_online(model, clouds.points, self.batch_size)

        with training_untouched(model):
            train_x, test_x = encode(self._train_clouds), encode(self._test_clouds)
            if not (np.isfinite(train_x).all() and np.isfinite(test_x).all()):
                runner.logger.warning('no online probe: the encoder gives features that are NaN or infinite')
                return
            probe = cosine_knn(train_x, self._train_clouds.labels, test_x, self._test_clouds.labels, seed=0)
        runner.logger.info(
            f'online probe after {runner.iter} iterations: {probe.accuracy:.1f} % of {len(test_x)} clouds are '
            f'classified rightly by their {probe.chosen} nearest neighbours'
        )
        runner.visualizer.add_scalar(SCALAR, probe.accuracy, step=runner.iter)
        runner.message_hub.update_scalar(SCALAR, probe.accuracy)
