"""A probe of the online encoder without labels, while it trains."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from mmdet3d.registry import DATASETS, HOOKS
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from ...datasets.sampler import PairKey
from ...datasets.temporal_pair_dataset import TemporalPairDataset
from ...evaluation.online_encoding import encode_online, training_untouched
from ...evaluation.temporal_retrieval import temporal_retrieval
from ..unwrapping import unwrapped_model

FOUND = 'probe/temporal_retrieval'
BY_CHANCE = 'probe/temporal_retrieval_by_chance'


@HOOKS.register_module()
class RetrievalProbeHook(Hook):
    """Look whether a frame's nearest other frame is a temporal neighbour, every few epochs; log how often it is.

    The frames are key frames of the training set, without augmentation and the same in every probe: runs of
    neighbouring ones, spread evenly over the set. Among the features of all of them the nearest other one of each is
    looked for, see `temporal_retrieval`. Logged are ``probe/temporal_retrieval`` and, since a set of few sequences is
    easy, ``probe/temporal_retrieval_by_chance``, in per cent, at the number of iterations done. The first values, at
    iteration 0, are those of the encoder before its training, which all others are to be compared with. The training
    goes on as without the hook, bit for bit.

    With ``align_poses`` depth frames are in the world's axes here too, as they are in training.

    What it costs: rank 0 reads two frames for each of `num_frames` and encodes one of them, forward only: together no
    more than an eighth of what training on as many pairs takes, and their reading. Memory: one batch and the features.
    The other ranks wait.

    Sets without temporal neighbours, such as single shapes (``mode='spatial'``), have nothing to retrieve; there the
    hook does nothing, and says so.

    Args:
        interval: In epochs, how often to probe, at least 1.
        num_frames: How many frames, at least 2; a set of fewer is taken whole.
        window: Frames are neighbours if a sliding window of as many key frames holds both, at least 2. None takes the
            training set's own: the frames that are paired.
        batch_size: Frames that are encoded at a time, at least 1.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self, interval: int = 1, num_frames: int = 128, window: int | None = None, batch_size: int = 8
    ) -> None:
        if interval < 1 or batch_size < 1:
            raise ValueError(f'interval and batch_size must be at least 1, got {interval} and {batch_size}')
        if num_frames < 2 or (window is not None and window < 2):
            raise ValueError(f'num_frames and window must be at least 2, got {num_frames} and {window}')
        self.interval = interval
        self.num_frames = num_frames
        self.window = window
        self.batch_size = batch_size

    @master_only
    def before_train(self, runner: Runner) -> None:
        """Choose the frames, and probe the encoder that a new run begins with.

        Raises:
            ValueError: If the training set is none of temporal pairs.
        """
        config = runner.cfg.train_dataloader.dataset
        trained_on = runner.train_dataloader.dataset
        if not isinstance(trained_on, TemporalPairDataset):
            raise ValueError(
                f'RetrievalProbeHook takes frames of a TemporalPairDataset, not of a {type(trained_on).__name__}: '
                'leave it out of custom_hooks'
            )
        self._dataset: TemporalPairDataset | None = None
        if trained_on.mode == 'spatial':
            runner.logger.info("no retrieval probe: with mode='spatial' the training set pairs no neighbours")
            return
        paired = 2 if trained_on.selection == 'neighbour' else trained_on.window
        self._reach = (self.window or paired) - 1
        with training_untouched(unwrapped_model(runner)):
            # View 1 of such a pair is the key frame itself, and is not augmented.
            self._dataset = DATASETS.build(dict(config, mode='temporal', selection='neighbour'))
        self._items = runs_of_neighbours(len(self._dataset), self.num_frames, run=self._reach + 1)
        if runner.iter == 0:
            self._probe(runner)

    @master_only
    def after_train_epoch(self, runner: Runner) -> None:
        """Probe, if the epoch is one to probe after."""
        if self.every_n_epochs(runner, self.interval):
            self._probe(runner)

    def _probe(self, runner: Runner) -> None:
        """Encode the frames, retrieve and log."""
        if self._dataset is None:
            return
        model = unwrapped_model(runner)
        origins: list[tuple[str, int]] = []
        with training_untouched(model):
            features = encode_online(model, self._read(self._dataset, origins), self.batch_size)
        if not np.isfinite(features).all():
            runner.logger.warning('no retrieval probe: the encoder gives features that are NaN or infinite')
            return
        sequence_ids, frame_indices = zip(*origins, strict=True)
        try:
            retrieval = temporal_retrieval(features, sequence_ids, frame_indices, self._reach)
        except ValueError as error:  # all sequences are too short, or too many frames damaged
            runner.logger.warning(f'no retrieval probe: {error}')
            return
        runner.logger.info(
            f'retrieval probe after {runner.iter} iterations: of {retrieval.found:.1f} % of {retrieval.num_queries} '
            f'frames the nearest one is at most {self._reach} key frames away, by chance of {retrieval.by_chance:.1f} %'
        )
        scalars = {FOUND: retrieval.found, BY_CHANCE: retrieval.by_chance}
        runner.visualizer.add_scalars(scalars, step=runner.iter)
        runner.message_hub.update_scalars(scalars)

    def _read(self, dataset: TemporalPairDataset, origins: list[tuple[str, int]]) -> Iterator[Tensor]:
        """Give the points of each frame once, and append its sequence and its position there to `origins`."""
        for item in self._items:
            view = dataset[PairKey(seed=0, epoch=0, index=item)]['view_1']
            meta = view['data_samples'].metainfo
            origin = (meta['sequence_id'], meta['frame_index'])
            if origin not in origins:  # a damaged frame is replaced by another one, which may be here already
                origins.append(origin)
                yield view['inputs']['points']


def runs_of_neighbours(num_items: int, num_frames: int, run: int) -> list[int]:
    """Choose runs of consecutive items, spread evenly.

    Args:
        num_items: How many there are, at least 1.
        num_frames: How many to choose, at least 1; at most all are.
        run: Length of a run, at least 1. The last one may be shorter.

    Returns:
        The items, ascending, each in [0, num_items).
    """
    count = min(num_frames, num_items)
    num_runs = -(-count // run)
    # Runs lie in equal parts of the items, each at its part's beginning.
    starts = np.arange(num_runs) * num_items // num_runs
    chosen = [start + offset for start in starts.tolist() for offset in range(run)]
    return sorted({item for item in chosen if item < num_items})[:count]
