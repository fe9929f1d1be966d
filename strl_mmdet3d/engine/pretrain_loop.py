"""The training loop of a pre-training: epochs of pairs that go on exactly where they were interrupted."""

from __future__ import annotations

import numpy as np
from mmdet3d.registry import LOOPS
from mmengine.dist import get_rank
from mmengine.runner import EpochBasedTrainLoop
from torch import nn

from ..datasets.sampler import PairSampler
from ..generators import seed_generators

ITERS_PER_EPOCH = 'iters_per_epoch'
"""The message hub's name for the length of an epoch, which a checkpoint keeps."""


class ResumeError(RuntimeError):
    """A checkpoint is of a run that differs too much from this one to be gone on with."""


@LOOPS.register_module()
class PretrainLoop(EpochBasedTrainLoop):
    """mmengine's loop over epochs, which a checkpoint of any iteration resumes exactly.

    mmengine's own begins the epoch anew when it resumes from a checkpoint in the middle of one. This one leaves out
    what the epoch has seen, and before each iteration seeds the global generators (python, NumPy, torch) from (seed,
    iteration, rank). What a model draws, such as dropout, is then a pure function of these three, as a pair is of its
    key, and no rank has to save the state of its generators.

    The arguments are those of :class:`mmengine.runner.EpochBasedTrainLoop`; in a config
    ``train_cfg=dict(type='PretrainLoop', max_epochs=100)``.
    """

    def run(self) -> nn.Module:
        """Train, from the first epoch or from where the checkpoint was saved.

        Returns:
            The model.

        Raises:
            ResumeError: If the checkpoint's epochs were of another length, or its iteration lies in the middle of an
                epoch and the sampler is no `PairSampler`.
        """
        before = self.runner.message_hub.runtime_info.get(ITERS_PER_EPOCH)
        if self._iter and before not in (None, len(self.dataloader)):
            raise ResumeError(
                f'the checkpoint is of a run with {before} iterations an epoch, this one has {len(self.dataloader)}. '
                'Resume with the same data, batch size and number of ranks; or start a new run from its weights: '
                'load_from=CHECKPOINT without --resume'
            )
        self.runner.message_hub.update_info(ITERS_PER_EPOCH, len(self.dataloader))
        sampler = self.dataloader.sampler
        if isinstance(sampler, PairSampler):
            sampler.seed = self.runner.seed  # the checkpoint's, where the config gives none
        elif self._done_in_epoch():
            raise ResumeError(
                f'the checkpoint was saved in the middle of an epoch, after {self._iter} iterations. To go on from '
                "there, the data needs sampler=dict(type='PairSampler'); resume from a checkpoint of an epoch instead"
            )
        return super().run()

    def run_epoch(self) -> None:
        """Iterate one epoch, or what is left of it."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        done = self._done_in_epoch()
        if done:
            self.runner.logger.info(f'{done} of {len(self.dataloader)} iterations of epoch {self._epoch + 1} are done')
        if isinstance(self.dataloader.sampler, PairSampler):
            self.dataloader.sampler.start = done * self.dataloader.batch_size
        for index, data_batch in enumerate(self.dataloader, start=done):
            self.run_iter(index, data_batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def run_iter(self, idx: int, data_batch: dict) -> None:
        """Iterate one batch.

        Args:
            idx: Its number in the epoch, from 0.
            data_batch: What the dataloader gives.
        """
        seed_iteration(self.runner.seed, self._iter, get_rank())
        super().run_iter(idx, data_batch)

    def _done_in_epoch(self) -> int:
        """Count the iterations of the current epoch that were made before."""
        return self._iter - self._epoch * len(self.dataloader)


def seed_iteration(seed: int, iteration: int, rank: int) -> None:
    """Seed the global generators of python, NumPy and torch, those of GPUs too.

    Args:
        seed: The run's, at least 0.
        iteration: Of the run, from 0.
        rank: Of this process.
    """
    seed_generators(np.random.SeedSequence((seed, iteration, rank)), gpus=True)
