"""Lets a checkpoint be resumed only by the run that it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmdet3d.registry import HOOKS
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...mmengine_internals import is_resumed, loaded_from, trains
from ..run_record import RECORD_KEY, SHOWN, ResumeError, differences, record_of
from ..schedules import SETTINGS, FreshSchedules


@HOOKS.register_module()
class SameRunHook(Hook):
    """Write what makes the run into each checkpoint, and compare it when a run resumes.

    Recorded are the model, the data with the hash of its index, batch size, ranks, accumulation, seed, optimizer,
    schedules and the length of the run (:mod:`strl_mmdet3d.engine.run_record`). The comparison comes before anything
    of the checkpoint is loaded. Allowed changes of the optimizer, the schedules or the length take effect: mmengine
    would go on with the rates of the checkpoint.

    Args:
        allow: Settings that may differ, such as 'optim_wrapper.optimizer.lr'; 'optim_wrapper' allows all below it.
            ``tools/train.py --allow-change`` sets it.
    """

    priority = 'VERY_HIGH'

    def __init__(self, allow: Sequence[str] = ()) -> None:
        self.allow = tuple(allow)
        self._fresh: FreshSchedules | None = None
        self._changed: set[str] = set()  # sections of the config in which the resumed run differs

    def before_run(self, runner: Runner) -> None:
        """Keep the config's rates and schedules, before those of a checkpoint come in their place."""
        if is_resumed(runner) and trains(runner):
            self._fresh = FreshSchedules(runner)

    def before_train(self, runner: Runner) -> None:
        """Go on by the config's rates and schedules, if they are others.

        Raises:
            ResumeError: If that cannot be done, see `FreshSchedules`.
        """
        if self._fresh is not None and self._changed.intersection(SETTINGS):
            self._fresh.restore(runner)
        self._fresh = None

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add the record."""
        checkpoint['meta'][RECORD_KEY] = record_of(runner.cfg, get_world_size())

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compare, if the run resumes.

        Raises:
            ResumeError: If a setting differs that is not allowed to.
        """
        if not is_resumed(runner):
            return
        path = loaded_from(runner) or 'the checkpoint'
        before: Any = checkpoint.get('meta', {}).get(RECORD_KEY)
        if not isinstance(before, dict) or not all(isinstance(text, str) for pair in before.items() for text in pair):
            runner.logger.warning(f'{path} has no record of its run: whether this run is the same cannot be checked')
            return
        record = record_of(runner.cfg, get_world_size())
        found = differences(record, before, self.allow)
        if not found:
            changed = differences(record, before)
            if changed:
                self._changed = {key.partition('.')[0] for key in changed}
                runner.logger.warning(f'the run goes on with changes: {"; ".join(changed.values())}')
            return
        names = list(found) if len(found) <= SHOWN else sorted({key.partition('.')[0] for key in found})
        phrases = [*list(found.values())[:SHOWN], *([f'{len(found) - SHOWN} more'] if len(found) > SHOWN else [])]
        raise ResumeError(
            f'this run is not the run of {path}: {"; ".join(phrases)}. Undo the changes; allow them by --allow-change '
            f'{" ".join(names)}; or begin a new run from its weights, by load_from={path} without --resume'
        )
