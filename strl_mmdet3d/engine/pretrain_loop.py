"""The training loop of a pre-training: epochs of pairs that go on exactly where they were interrupted."""

from __future__ import annotations

import numpy as np
from mmdet3d.registry import LOOPS
from mmengine.dist import get_rank, get_world_size
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import nn
from torch.utils.data import DataLoader

from ..datasets.sampler import PairSampler
from ..errors import ConfigError
from ..generators import seed_generators
from ..models.strl import STRL
from .points_check import check_points
from .range_check import check_ranges
from .run_record import ResumeError
from .unwrapping import unwrapped_model

ITERS_PER_EPOCH = 'iters_per_epoch'
"""The message hub's name for the length of an epoch, which a checkpoint keeps."""


@LOOPS.register_module()
class PretrainLoop(EpochBasedTrainLoop):
    """mmengine's loop over epochs, which resumes a checkpoint of any iteration exactly.

    mmengine's own loop starts the epoch again when it resumes in the middle of one. This one skips what the epoch has
    seen, and before each iteration seeds the global generators (python, NumPy, torch) from (seed, iteration, rank).
    What a model draws, such as dropout, is then a pure function of these three, as a pair is of its key, and no rank
    has to save the state of its generators.

    Args:
        runner: The run.
        dataloader: The data loader or its config.
        max_epochs: Length of the run.
        kwargs: As in :class:`mmengine.runner.EpochBasedTrainLoop`.

    Raises:
        ConfigError: If the data makes no batch, or for `STRL` one of a single pair, if its point cloud range or its
            points do not fit the detector, or if several ranks would draw the epoch's order by different seeds.
    """

    def __init__(self, runner: Runner, dataloader: DataLoader | dict, max_epochs: int, **kwargs: int) -> None:
        super().__init__(runner, dataloader, max_epochs, **kwargs)
        self.done = 0  # iterations of the current epoch that an earlier session has made
        if not len(self.dataloader):
            size, pairs = self.dataloader.batch_size, len(self.dataloader.sampler)
            remedy = f'set train_dataloader.batch_size={pairs} or less, or add data' if pairs > 1 else 'add data'
            raise ConfigError(
                f'the training set has {pairs} {"pair" if pairs == 1 else "pairs"} for this rank, fewer than one batch '
                f'of {size}, so an epoch has no step: {remedy}'
            )
        random = runner.cfg.get('randomness') or {}
        if random.get('diff_rank_seed') and get_world_size() > 1 and self.resumes_anywhere:
            raise ConfigError(
                'randomness.diff_rank_seed=True gives the ranks different orders of the pairs, of which some would be '
                'missed: leave it out; what a model draws differs on each rank anyway'
            )
        model, dataset = unwrapped_model(runner), self.dataloader.dataset
        if isinstance(model, STRL):
            require_two_pairs(self.dataloader)
        check_ranges(runner.cfg, model, dataset)
        check_points(runner.cfg, model, dataset)

    @property
    def resumes_anywhere(self) -> bool:
        """Whether a checkpoint from the middle of an epoch can be resumed."""
        return isinstance(self.dataloader.sampler, PairSampler)

    def run(self) -> nn.Module:
        """Train, from the first epoch or from where the checkpoint was saved, and return the model.

        Raises:
            ResumeError: If the checkpoint's epochs had another length, or it was saved in the middle of an epoch and
                the sampler is not a `PairSampler`.
        """
        before = self.runner.message_hub.runtime_info.get(ITERS_PER_EPOCH)
        if self.iter and before not in (None, len(self.dataloader)):
            raise ResumeError(
                f'the checkpoint is of a run with {before} iterations an epoch, this one has {len(self.dataloader)}. '
                'Resume with the same data, batch size and number of ranks; or start a new run from its weights: '
                'load_from=CHECKPOINT without --resume'
            )
        self.runner.message_hub.update_info(ITERS_PER_EPOCH, len(self.dataloader))
        sampler = self.dataloader.sampler
        if isinstance(sampler, PairSampler):
            sampler.seed = self.runner.seed  # the checkpoint's, where the config gives none
        elif self.iter != self.epoch * len(self.dataloader):
            raise ResumeError(
                f'the checkpoint was saved in the middle of an epoch, after {self.iter} iterations. To continue from '
                "there, the data needs sampler=dict(type='PairSampler'); resume from a checkpoint of an epoch instead"
            )
        return super().run()

    def run_epoch(self) -> None:
        """Iterate one epoch, or the rest of it."""
        self.done = self.iter - self.epoch * len(self.dataloader)
        if self.done:
            self.runner.logger.info(
                f'{self.done} of {len(self.dataloader)} iterations of epoch {self.epoch + 1} are done'
            )
        if isinstance(self.dataloader.sampler, PairSampler):
            self.dataloader.sampler.start = self.done * self.dataloader.batch_size
        super().run_epoch()

    def run_iter(self, idx: int, data_batch: dict) -> None:
        """Train on a batch; `idx` is its number in this session's part of the epoch, from 0."""
        seed_iteration(self.runner.seed, self.iter, get_rank())
        super().run_iter(self.done + idx, data_batch)


def require_two_pairs(dataloader: DataLoader) -> None:
    """Raise a ConfigError if a batch has a single pair, on which BatchNorm cannot train: the last of an epoch, too."""
    size, pairs = dataloader.batch_size, len(dataloader.sampler)  # type: ignore[arg-type]
    if size == 1:
        raise ConfigError('STRL needs two pairs a batch, for BatchNorm: set train_dataloader.batch_size >= 2')
    if size is not None and not dataloader.drop_last and pairs % size == 1:
        raise ConfigError(
            f'STRL needs two pairs a batch, for BatchNorm, and the last of {pairs} pairs in batches of {size} has one: '
            'set train_dataloader.drop_last=True'
        )


def seed_iteration(seed: int, iteration: int, rank: int) -> None:
    """Seed the global generators of python, NumPy and torch, GPUs included, for an iteration of a run on a rank."""
    seed_generators(np.random.SeedSequence((seed, iteration, rank)), gpus=True)
