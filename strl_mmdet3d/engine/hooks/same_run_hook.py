"""Lets a checkpoint be resumed only by the run that it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmdet3d.registry import HOOKS
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...mmengine_internals import is_resumed, loaded_from
from ..run_record import RECORD_KEY, SHOWN, ResumeError, differences, record_of


@HOOKS.register_module()
class SameRunHook(Hook):
    """Write what makes the run into each checkpoint, and compare it when a run resumes.

    Recorded are the model, the data with the hash of its index, batch size, ranks, accumulation, seed, optimizer,
    schedules and the length of the run (:mod:`strl_mmdet3d.engine.run_record`). The comparison comes before anything
    of the checkpoint is loaded.

    Args:
        allow: Settings that may differ, such as 'optim_wrapper.optimizer.lr'; 'optim_wrapper' allows all below it.
            ``tools/train.py --allow-change`` sets it.
    """

    priority = 'VERY_HIGH'

    def __init__(self, allow: Sequence[str] = ()) -> None:
        self.allow = tuple(allow)

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
                runner.logger.warning(f'the run goes on with changes: {"; ".join(changed.values())}')
            return
        names = list(found) if len(found) <= SHOWN else sorted({key.partition('.')[0] for key in found})
        phrases = [*list(found.values())[:SHOWN], *([f'{len(found) - SHOWN} more'] if len(found) > SHOWN else [])]
        raise ResumeError(
            f'this run is not the run of {path}: {"; ".join(phrases)}. Undo the changes; allow them by --allow-change '
            f'{" ".join(names)}; or begin a new run from its weights, by load_from={path} without --resume'
        )
