"""Probes the online encoder without labels while it trains."""

from __future__ import annotations

from mmdet3d.registry import HOOKS
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...datasets.temporal_pair_dataset import TemporalPairDataset
from ...errors import ConfigError
from ...evaluation.online_encoding import training_untouched
from ...evaluation.temporal_frames import TemporalFrames
from ...evaluation.temporal_retrieval import temporal_retrieval
from ...mmengine_internals import whole_dataset
from ..unwrapping import unwrapped_model

FOUND = 'probe/temporal_retrieval'
BY_CHANCE = 'probe/temporal_retrieval_by_chance'


@HOOKS.register_module()
class RetrievalProbeHook(Hook):
    """Every few epochs, log how often a frame's nearest other frame is a temporal neighbour.

    The frames are key frames of the training set without augmentation, the same in every probe, see `TemporalFrames`.
    `temporal_retrieval` finds, by the features, the nearest other frame of each. The hook logs
    ``probe/temporal_retrieval`` and, because retrieval is easy in a set of few sequences,
    ``probe/temporal_retrieval_by_chance``, in per cent, at the number of iterations done. The first values, at
    iteration 0, are of the encoder before its training: compare all others with them. The training continues as without
    the hook, bit for bit.

    Cost: rank 0 reads two frames for each of `num_frames` and encodes one of them, forward only. The encoding takes at
    most an eighth of what training on the same number of pairs takes; the reading comes on top. Rank 0 keeps one batch
    and the features in memory. The other ranks wait.

    Sets without temporal neighbours, such as single shapes (``mode='spatial'``), have nothing to retrieve. There the
    hook does nothing, and says so.

    Args:
        interval: Epochs between two probes, at least 1.
        num_frames: How many frames, at least 2; all frames of a smaller set.
        window: Frames are neighbours if a sliding window of this many key frames holds both, at least 2. None takes the
            training set's own window: neighbours are then the frames that training pairs.
        batch_size: Frames that are encoded at a time, at least 1.

    Raises:
        ConfigError: If an argument is out of its range.
    """

    def __init__(
        self, interval: int = 1, num_frames: int = 128, window: int | None = None, batch_size: int = 8
    ) -> None:
        if interval < 1 or batch_size < 1:
            raise ConfigError(f'interval and batch_size must be at least 1, got {interval} and {batch_size}')
        if num_frames < 2 or (window is not None and window < 2):
            raise ConfigError(f'num_frames and window must be at least 2, got {num_frames} and {window}')
        self.interval = interval
        self.num_frames = num_frames
        self.window = window
        self.batch_size = batch_size

    @master_only
    def before_train(self, runner: Runner) -> None:
        """Choose the frames, and probe the encoder at the start of a new run.

        Raises:
            ConfigError: If the training set is not a TemporalPairDataset.
        """
        trained_on = whole_dataset(runner.train_dataloader.dataset)
        if not isinstance(trained_on, TemporalPairDataset):
            raise ConfigError(
                f'RetrievalProbeHook takes frames of a TemporalPairDataset, not of a {type(trained_on).__name__}: '
                'leave it out of the hooks'
            )
        self._frames: TemporalFrames | None = None
        if trained_on.mode == 'spatial':
            runner.logger.info("no retrieval probe: with mode='spatial' the training set pairs no neighbours")
            return
        paired = 2 if trained_on.selection == 'neighbour' else trained_on.window
        self._reach = (self.window or paired) - 1
        with training_untouched(unwrapped_model(runner)):
            config = runner.cfg.train_dataloader.dataset
            self._frames = TemporalFrames(config, self.num_frames, run=self._reach + 1)
        if runner.iter == 0:
            self._probe(runner)

    @master_only
    def after_train_epoch(self, runner: Runner) -> None:
        """Probe after every `interval` epochs."""
        if self.every_n_epochs(runner, self.interval):
            self._probe(runner)

    def _probe(self, runner: Runner) -> None:
        """Encode the frames, retrieve and log."""
        if self._frames is None:
            return
        model = unwrapped_model(runner)
        with training_untouched(model):
            encoded = self._frames.encode(model, self.batch_size)
        try:
            retrieval = temporal_retrieval(*encoded, self._reach)
        except ValueError as error:  # NaN, or too few neighbours: short sequences, or many damaged frames
            runner.logger.warning(f'no retrieval probe: {error}')
            return
        runner.logger.info(
            f'retrieval probe after {runner.iter} iterations: of {retrieval.found:.1f} % of {retrieval.num_queries} '
            f'frames the nearest one is at most {self._reach} key frames away, by chance of {retrieval.by_chance:.1f} %'
        )
        scalars = {FOUND: retrieval.found, BY_CHANCE: retrieval.by_chance}
        runner.visualizer.add_scalars(scalars, step=runner.iter)
        runner.message_hub.update_scalars(scalars)
