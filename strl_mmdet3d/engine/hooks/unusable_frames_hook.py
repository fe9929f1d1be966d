"""Counts the pairs that had to be replaced because of unusable frames, and stops a run with too many."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mmdet3d.registry import HOOKS
from mmengine.dist import all_gather_object, get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...datasets.unusable_frames import FILE_NAME, PairCounts, UnusableFrameList, skipped_of
from ...errors import ConfigError, StrlError
from ...mmengine_internals import is_resumed

COUNTS_KEY = 'unusable_frames'
"""The message hub's name for the counts, which a checkpoint keeps."""

SYNC_INTERVAL = 10
"""With several ranks: the number of iterations between two exchanges of their counts."""


class UnusableFramesError(StrlError, RuntimeError):
    """Too many pairs had to be replaced. The message names the list of the frames and the remedy."""


@HOOKS.register_module()
class UnusableFramesHook(Hook):
    """Count the pairs that `TemporalPairDataset` had to replace, list the frames, and stop a run with too many.

    ``WORK_DIR/unusable_frames.jsonl`` is an `UnusableFrameList`. A new run in the same work directory starts a new
    list; a resumed run continues the list, and the counts in its checkpoint. Several ranks add up their counts every 10
    iterations, at the end of an epoch and before `WholeCheckpointHook` writes; rank 0 writes the list.

    A pair has two frames, so the percentage of replaced pairs is about twice the percentage of damaged frames.

    Args:
        max_share: The run ends once more than this share of the pairs seen were replaced, in [0, 1]. Defaults to 0.01.
        num_tolerated: Up to this number of replaced pairs never ends a run, whatever their share, so that a damaged
            frame among the first ones does not. Defaults to 10.

    Raises:
        ConfigError: If an argument is out of its range.
    """

    def __init__(self, max_share: float = 0.01, num_tolerated: int = 10) -> None:
        if not 0 <= max_share <= 1:
            raise ConfigError(f'max_share is in [0, 1], not {max_share}')
        if num_tolerated < 0:
            raise ConfigError(f'num_tolerated must not be negative, got {num_tolerated}')
        self.max_share = max_share
        self.num_tolerated = num_tolerated

    def before_train(self, runner: Runner) -> None:
        """Continue the counts and the list of a resumed run, or start both."""
        # All ranks have the same counts: the counts in rank 0's checkpoint, and what the ranks add up together.
        self._counts = PairCounts(**(runner.message_hub.runtime_info.get(COUNTS_KEY) or {}))
        self._new_pairs: list[list[dict]] = []  # the records of each pair since the ranks last added up
        self._list = UnusableFrameList(Path(runner.work_dir) / FILE_NAME)
        if is_main_process():
            self._list.reopen() if is_resumed(runner) else self._list.clear()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Count the pairs of a batch before it is trained on.

        Raises:
            UnusableFramesError: If too many were replaced.
            ConfigError: If the batch does not say what was skipped for it.
        """
        self._new_pairs += skipped_of(data_batch)
        if get_world_size() == 1 or self.every_n_train_iters(runner, SYNC_INTERVAL):
            self._add_up(runner)
            self._stop_if_too_many()

    def before_write_checkpoint(self, runner: Runner) -> None:
        """Bring the counts up to the checkpoint; `WholeCheckpointHook` calls it on all ranks."""
        self._add_up(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        """Log the counts; raises an UnusableFramesError if too many pairs were replaced."""
        self._add_up(runner)
        self._stop_if_too_many()
        self._log(runner, f'epoch {runner.epoch + 1}')

    def after_train(self, runner: Runner) -> None:
        """Log the counts of the run."""
        self._log(runner, 'the whole run')

    def _add_up(self, runner: Runner) -> None:
        """Add the new pairs of all ranks to the counts, and list new frames."""
        of_ranks = all_gather_object((len(self._new_pairs), [skipped for skipped in self._new_pairs if skipped]))
        self._new_pairs = []
        for num_pairs, replaced in of_ranks:
            self._counts.add(num_pairs, len(replaced))
            if is_main_process():
                self._list.append(record for skipped in replaced for record in skipped)
        runner.message_hub.update_info(COUNTS_KEY, asdict(self._counts))

    def _stop_if_too_many(self) -> None:
        """Raise an UnusableFramesError if too many pairs were replaced."""
        if self._counts.too_many(self.max_share, self.num_tolerated):
            raise UnusableFramesError(
                f'{self._counts} had to be replaced, more than the set share of {self.max_share:g}. {self._list.path} '
                'lists the frames and what is wrong with them. Restore them, rebuild the sequence index without them, '
                'or raise max_share of UnusableFramesHook; then use --resume'
            )

    def _log(self, runner: Runner, when: str) -> None:
        """Log how many pairs were replaced so far; as a warning if there are any."""
        level, reason = logging.INFO, ''
        if self._counts.num_replaced:
            level, reason = logging.WARNING, f', because of the frames in {self._list.path}'
        runner.logger.log(level, f'{when}: {self._counts} seen so far were replaced{reason}')
