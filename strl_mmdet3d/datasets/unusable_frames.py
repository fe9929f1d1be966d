"""The frames that a run could not use: how a batch reports them, how they are counted, and the file that lists them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigError

FILE_NAME = 'unusable_frames.jsonl'
"""The list in the work directory, one JSON object per line."""


@dataclass
class PairCounts:
    """The pairs that a run has seen.

    Attributes:
        num_pairs: All of them.
        num_replaced: The pairs that had to be replaced.
    """

    num_pairs: int = 0
    num_replaced: int = 0

    def add(self, num_pairs: int, num_replaced: int) -> None:
        """Add the pairs of a rank."""
        self.num_pairs += num_pairs
        self.num_replaced += num_replaced

    def too_many(self, max_share: float, num_tolerated: int) -> bool:
        """Return whether more pairs were replaced than this share of all pairs, and more than this number."""
        return self.num_replaced > max(num_tolerated, max_share * self.num_pairs)

    def __str__(self) -> str:
        """Write both, as in '3 of 100 pairs'."""
        return f'{self.num_replaced} of {self.num_pairs} pairs'


class UnusableFrameList:
    """A file of records, one per frame, that survives a kill at any time.

    A record is an entry of `TemporalPairDataset`'s ``skipped``: ``data_root``, ``frame_path`` (relative to that root),
    ``reason``, and the ``epoch`` and ``item``, both from 0, that met the frame first.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._listed: set[str] = set()

    def clear(self) -> None:
        """Remove the file, for a new run."""
        self._listed = set()
        self.path.unlink(missing_ok=True)

    def reopen(self) -> None:
        """Read the frames that an earlier session has listed, so that they are not listed again."""
        self._listed = read_listed(self.path)

    def append(self, records: Iterable[dict]) -> None:
        """Append the records of frames that are not listed yet."""
        for record in records:
            frame = identity(record)
            if frame not in self._listed:
                self._listed.add(frame)
                with self.path.open('a', encoding='utf-8') as file:  # opened each time: a kill loses nothing
                    file.write(json.dumps(record) + '\n')


def identity(record: dict) -> str:
    """Return the name that a listed frame is known by: its path, or the reason if the pipeline named no frame.

    The data sets of a mixture may have frames of the same name below their roots.
    """
    if not record['frame_path']:
        return record['reason']
    return f'{record["data_root"]}/{record["frame_path"]}' if record.get('data_root') else record['frame_path']


def read_listed(path: Path) -> set[str]:
    """Read which frames a list holds. If a kill has cut off its last line, end that line.

    Args:
        path: The list; if it does not exist, it holds no frames.

    Returns:
        The frames, as `identity` names them.
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


def skipped_of(data_batch: Any) -> list[list[dict]]:
    """Return the records of what was skipped for each pair of a batch.

    Args:
        data_batch: The batch from the dataloader: both views, each with the ``data_samples`` of B pairs.

    Returns:
        For each of the B pairs, the records of the attempts that failed; empty for most pairs.

    Raises:
        ConfigError: If the data samples hold no records.
    """
    try:
        # Both views of a pair hold the same records.
        return [sample.skipped for sample in data_batch['view_1']['data_samples']]
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            "UnusableFramesHook finds no 'skipped' in the data samples, which TemporalPairDataset and MultiView put "
            'there. Train on such pairs, or leave the hook out: default_hooks.unusable_frames=None'
        ) from error
