"""mmengine's private members that the plug-in needs. No other file touches any.

`PRIVATE_MEMBERS` names them all, and a test looks each of them up: so a new mmengine shows at once what it broke.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.hooks import CheckpointHook
from mmengine.logging import HistoryBuffer
from mmengine.optim import OptimWrapper
from mmengine.runner import BaseLoop, Runner
from mmengine.runner.runner import _SlicedDataset

PRIVATE_MEMBERS: dict[type, tuple[str, ...]] = {
    OptimWrapper: ('_accumulative_counts',),
    Runner: ('_resume', '_load_from', '_has_loaded', '_train_loop', '_val_loop', '_test_loop'),
    HistoryBuffer: ('_statistics_methods',),
    CheckpointHook: ('_save_checkpoint', '_save_checkpoint_with_step', '_save_best_checkpoint'),
    BaseDataset: ('_metainfo',),
    Config: ('_is_lazy_import',),
    _SlicedDataset: ('_dataset',),
}
"""Class -> its private members used below."""


def accumulative_counts(optim_wrapper: OptimWrapper) -> int:
    """Return how many micro-batches an optimizer step accumulates."""
    return optim_wrapper._accumulative_counts


def is_resumed(runner: Runner) -> bool:
    """Return whether the run continues a checkpoint."""
    return runner._resume


def loaded_from(runner: Runner) -> str | None:
    """Return the checkpoint that the run starts from, if any."""
    return runner._load_from


def trains(runner: Runner) -> bool:
    """Return whether the run's training has been built; ``runner.train_loop`` would build it."""
    return isinstance(runner._train_loop, BaseLoop)


def has_loaded(runner: Runner) -> bool:
    """Return whether a checkpoint has been loaded or resumed."""
    return runner._has_loaded


def only_evaluates(runner: Runner) -> bool:
    """Return whether the run tests or validates a detector without training it: its training was not built."""
    evaluates = any(isinstance(loop, BaseLoop) for loop in (runner._val_loop, runner._test_loop))
    return evaluates and not trains(runner)


def is_pure_python(config: Config) -> bool:
    """Return whether a config that was read from a file is of mmengine's new style, in pure Python."""
    return config.filename is not None and Config._is_lazy_import(config.filename)


def history_statistics() -> dict[str, Callable]:
    """Return the statistics that checkpoints refer to by name: min, max, current, mean."""
    return HistoryBuffer()._statistics_methods


def keep_plain_metainfo(dataset: Any) -> None:
    """Have a data set of mmengine, or a wrapper of some, describe itself in plain values; ``metainfo`` is a copy."""
    if hasattr(dataset, '_metainfo'):
        dataset._metainfo = plain(dataset._metainfo)


def whole_dataset(dataset: Any) -> Any:
    """Return the data set of which mmengine takes the first part (``num_batch_per_epoch``); any other as it is."""
    return dataset._dataset if isinstance(dataset, _SlicedDataset) else dataset


def plain(value: Any) -> Any:
    """Return a value with plain dicts in the place of mmengine's own, at any depth of dicts, lists and tuples."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return type(value)(map(plain, value)) if type(value) in (list, tuple) else value


class CheckpointHookWithSteps(CheckpointHook):
    """mmengine's checkpoint hook, with its private steps under public names to override."""

    def save_due_checkpoint(self, runner: Runner) -> None:
        """Save a checkpoint that the interval asks for."""
        super()._save_checkpoint(runner)

    def write_checkpoint(self, runner: Runner, step: int, meta: dict[str, Any]) -> None:
        """Write the checkpoint of an epoch or iteration, and remove the oldest one."""
        super()._save_checkpoint_with_step(runner, step, meta)

    def write_best(self, runner: Runner, metrics: dict[str, Any]) -> None:
        """Save a checkpoint that is better than the best before, and remove that one."""
        super()._save_best_checkpoint(runner, metrics)

    def _save_checkpoint(self, runner: Runner) -> None:
        """Take mmengine's step by its public name."""
        self.save_due_checkpoint(runner)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict[str, Any]) -> None:
        """Take mmengine's step by its public name."""
        self.write_checkpoint(runner, step, meta)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict[str, Any]) -> None:
        """Take mmengine's step by its public name."""
        self.write_best(runner, metrics)
