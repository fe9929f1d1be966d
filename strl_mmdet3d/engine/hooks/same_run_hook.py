"""Lets a checkpoint be resumed only by the run that it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmdet3d.registry import HOOKS
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...errors import ConfigError
from ...mmengine_internals import is_resumed, loaded_from, trains
from ..run_record import RECORD_KEY, SHOWN, ResumeError, differences, record_of
from ..schedules import SETTINGS, FreshSchedules

SEED = 'randomness.seed'
"""The setting that no resumed run can change: mmengine takes the checkpoint's."""


@HOOKS.register_module()
class SameRunHook(Hook):
    """Write what makes the run into each checkpoint, and compare it when a run resumes.

    Recorded are the model, the data with the hash of its index, batch size, ranks, accumulation, seed, optimizer,
    schedules and the length of the run (:mod:`strl_mmdet3d.engine.run_record`). Files are hashed once, when the run has
    read them: a later change of an index does not reach the run. The comparison comes before anything of the
    checkpoint is loaded. Allowed changes of the optimizer, the schedules or the length take effect: mmengine
    would go on with the rates of the checkpoint.

    Args:
        allow: Settings that may differ, such as 'optim_wrapper.optimizer.lr'; 'optim_wrapper' allows all below it.
            ``tools/train.py --allow-change`` sets it. The seed always stays.

    Raises:
        ConfigError: If `allow` names the seed.
    """

    priority = 'VERY_HIGH'

    def __init__(self, allow: Sequence[str] = ()) -> None:
        self.allow = tuple(allow)
        if SEED in self.allow:
            raise ConfigError(
                f'{SEED} cannot be changed: a resumed run keeps the seed of its checkpoint. For another seed, begin a '
                'new run from its weights, by load_from=CHECKPOINT without --resume'
            )
        self._record: dict[str, str] | None = None
        self._fresh: FreshSchedules | None = None
        self._changed: set[str] = set()  # sections of the config in which the resumed run differs

    def before_run(self, runner: Runner) -> None:
        """Record the run, and keep the config's rates and schedules, before those of a checkpoint replace them."""
        self._record = record_of(runner.cfg, get_world_size()) if trains(runner) else None
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
        checkpoint['meta'][RECORD_KEY] = self._recorded(runner)

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
        record = self._recorded(runner)
        found = differences(record, before, self.allow)
        kept = {key: said for key, said in differences(record, before).items() if key == SEED}
        found |= kept
        if not found:
            changed = differences(record, before)
            if changed:
                self._changed = {key.partition('.')[0] for key in changed}
                runner.logger.warning(f'the run goes on with changes: {"; ".join(changed.values())}')
            return
        allowable = [key for key in found if key not in kept]
        names = allowable if len(found) <= SHOWN else sorted({key.partition('.')[0] for key in allowable})
        phrases = [*list(found.values())[:SHOWN], *([f'{len(found) - SHOWN} more'] if len(found) > SHOWN else [])]
        raise ResumeError(
            f'this run is not the run of {path}: {"; ".join(phrases)}. Undo the changes; '
            + (f'allow them by --allow-change {" ".join(names)}; ' if names else '')
            + f'or begin a new run from its weights, by load_from={path} without --resume'
            + ('. A resumed run keeps its seed' if kept else '')
        )

    def _recorded(self, runner: Runner) -> dict[str, str]:
        """Return the record, from when the training began."""
        if self._record is None:
            self._record = record_of(runner.cfg, get_world_size())
        return self._record
