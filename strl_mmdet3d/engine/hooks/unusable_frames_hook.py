"""What became of the frames that could not be used: counted, listed, and too many of them an error."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from mmdet3d.registry import HOOKS
from mmengine.dist import all_gather_object, get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...errors import StrlError
from ...mmengine_internals import is_resumed

FILE_NAME = 'unusable_frames.jsonl'
"""The list in the work directory, a JSON object a line."""

COUNTS_KEY = 'unusable_frames'
"""The message hub's name for the counts, which a checkpoint keeps."""

SYNC_INTERVAL = 10
"""Of several ranks: in iterations, how often they add their counts up."""


class UnusableFramesError(StrlError, RuntimeError):
    """Too many pairs had to be replaced. The message names the list of the frames and the remedy."""


@HOOKS.register_module()
class UnusableFramesHook(Hook):
    """Count the pairs that `TemporalPairDataset` had to replace, list the frames, and stop a run with too many.

    Each frame is listed once in ``WORK_DIR/unusable_frames.jsonl``, with ``frame_path`` (relative to the data's root),
    ``reason``, and the ``epoch`` and ``item``, both from 0, that first met it. A new run in the same work directory
    begins the list anew, a resumed run goes on with it and with the counts in its checkpoint. Several ranks add their
    counts up every 10 iterations and at the end of an epoch; rank 0 writes the list.

    Since a pair has two frames, about twice as many pairs are replaced, in per cent, as frames are damaged.

    Args:
        max_share: The run ends once more than this share of the pairs seen were replaced, in [0, 1]. Defaults to 0.01.
        num_tolerated: As many replaced pairs never end a run, whatever their share, so that a damaged frame among the
            first ones does not. Defaults to 10.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(self, max_share: float = 0.01, num_tolerated: int = 10) -> None:
        if not 0 <= max_share <= 1:
            raise ValueError(f'max_share is in [0, 1], not {max_share}')
        if num_tolerated < 0:
            raise ValueError(f'num_tolerated must not be negative, got {num_tolerated}')
        self.max_share = max_share
        self.num_tolerated = num_tolerated

    def before_train(self, runner: Runner) -> None:
        """Take up the counts and the list of the run that is resumed, or begin both."""
        # All ranks have the same totals: those of rank 0's checkpoint, and what they add up together.
        before = runner.message_hub.runtime_info.get(COUNTS_KEY) or {}
        self._num_pairs, self._num_replaced = before.get('num_pairs', 0), before.get('num_replaced', 0)
        self._new_pairs: list[list[dict]] = []  # of each pair since the ranks last added up, what was skipped for it
        self._path = Path(runner.work_dir) / FILE_NAME
        self._listed: set[str] = set()
        if is_main_process():
            if is_resumed(runner):
                self._listed = read_listed(self._path)
            else:
                self._path.unlink(missing_ok=True)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Count the pairs of a batch before it is trained on.

        Raises:
            UnusableFramesError: If too many were replaced.
            ValueError: If the batch does not say what was skipped for it.
        """
        self._new_pairs += skipped_of(data_batch)
        if get_world_size() == 1 or self.every_n_train_iters(runner, SYNC_INTERVAL):
            self._add_up(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        """Log the counts.

        Raises:
            UnusableFramesError: If too many were replaced.
        """
        self._add_up(runner)
        self._log(runner, f'epoch {runner.epoch + 1}')

    def after_train(self, runner: Runner) -> None:
        """Log the counts of the run."""
        self._log(runner, 'the whole run')

    def _add_up(self, runner: Runner) -> None:
        """Add the new pairs of all ranks to the counts, list new frames, and stop where there are too many."""
        of_ranks = all_gather_object((len(self._new_pairs), [skipped for skipped in self._new_pairs if skipped]))
        self._new_pairs = []
        for num_pairs, replaced in of_ranks:
            self._num_pairs += num_pairs
            self._num_replaced += len(replaced)
            if is_main_process():
                self._list(record for skipped in replaced for record in skipped)
        counts = dict(num_pairs=self._num_pairs, num_replaced=self._num_replaced)
        runner.message_hub.update_info(COUNTS_KEY, counts)
        if self._num_replaced > max(self.num_tolerated, self.max_share * self._num_pairs):
            raise UnusableFramesError(
                f'{self._num_replaced} of {self._num_pairs} pairs had to be replaced, more than the set share of '
                f'{self.max_share:g}. {self._path} lists the frames and what is wrong with them. Restore them, make '
                'the sequence index anew without them, or raise max_share of UnusableFramesHook; then use --resume'
            )

    def _list(self, records: Any) -> None:
        """Append the frames that are not listed yet."""
        for record in records:
            frame = identity(record)
            if frame not in self._listed:
                self._listed.add(frame)
                with self._path.open('a', encoding='utf-8') as file:  # opened each time: a kill loses nothing
                    file.write(json.dumps(record) + '\n')

    def _log(self, runner: Runner, when: str) -> None:
        """Say how many pairs were replaced so far; as a warning, where there are any."""
        message = f'{when}: {self._num_replaced} of {self._num_pairs} pairs seen so far were replaced'
        if self._num_replaced:
            message += f', because of the frames in {self._path}'
        runner.logger.log(logging.WARNING if self._num_replaced else logging.INFO, message)


def skipped_of(data_batch: Any) -> list[list[dict]]:
    """Give what was skipped for each pair of a batch.

    Args:
        data_batch: What the dataloader gives: both views, each with the ``data_samples`` of B pairs.

    Returns:
        Of each of the B pairs, the records of the attempts that failed; empty for most.

    Raises:
        ValueError: If the data samples do not say.
    """
    try:
        # Both views of a pair say the same.
        return [sample.skipped for sample in data_batch['view_1']['data_samples']]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            "UnusableFramesHook finds no 'skipped' in the data samples, which TemporalPairDataset and MultiView put "
            'there. Train on such pairs, or leave the hook out of custom_hooks'
        ) from error


def identity(record: dict) -> str:
    """Give what a listed frame is known by: its path, or the reason where the pipeline named no frame."""
    return record['frame_path'] or record['reason']


def read_listed(path: Path) -> set[str]:
    """Read which frames a list holds, and end its last line where a kill has cut it off.

    Args:
        path: The list; missing, it holds none.

    Returns:
        The frames, as `identity` gives them.
    """
    if not path.is_file():
        return set()
    text = path.read_text(encoding='utf-8', errors='replace')
    if text and not text.endswith('\n'):
        with path.open('a', encoding='utf-8') as file:
            file.write('\n')
    listed = set()
    for line in text.splitlines():
        try:
            listed.add(identity(json.loads(line)))
        except (ValueError, KeyError, TypeError):  # a line cut off; its frame will be listed again
            continue
    return listed
