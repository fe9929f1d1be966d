"""Checkpoints of which the last good one is whole, whenever the run is killed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmdet3d.registry import HOOKS
from mmengine.dist import is_main_process, master_only
from mmengine.fileio import LocalBackend
from mmengine.optim import OptimWrapper
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import Tensor

from ...atomic_write import remove_dead_parts, write_text_whole, written_whole
from ...mmengine_internals import CheckpointHookWithSteps, loaded_from
from ..finite import DivergedError, first_non_finite
from ..run_start import is_own, last_good, name_pattern, reason_of
from ..unwrapping import unwrapped_model
from ..work_dir import WorkDirError

EXTRA_KEY = 'extra_checkpoint'
"""The message hub's name for a checkpoint that was written out of turn."""

EXTRA_NAME = re.compile(r'iter_\d+\.pth')
"""What such a checkpoint is called; no other file is removed as one."""


@HOOKS.register_module()
class WholeCheckpointHook(CheckpointHookWithSteps):
    """mmengine's checkpoints, each written whole or not at all.

    mmengine's own hook removes the oldest checkpoint before it writes the new one in place, and so may leave none.
    This one writes beside the final name, renames, points ``last_checkpoint`` to it, and then removes the oldest one,
    or the best one before. Hooks with a method ``before_write_checkpoint(runner)`` have it called on all ranks before.
    It saves after whole optimizer steps only: with accumulated gradients, a checkpoint that is due within a step waits
    for its end, because no checkpoint holds the gradients of half a step. A loop that does not resume within an epoch
    saves at the end of one. NaN or infinity is never saved.

    It takes the arguments of :class:`mmengine.hooks.CheckpointHook`. Checkpoints that do not go to a local disk are
    written as mmengine writes them.
    """

    last_ckpt: str | None
    _due: int | None = None  # the number of a checkpoint that waits for the end of a step
    _saved: int | None = None  # the iterations in the last checkpoint of this session

    def before_train(self, runner: Runner) -> None:
        """Remove what a killed run has left half-written, and check the free space.

        Raises:
            WorkDirError: If there is no space for one checkpoint.
        """
        start = loaded_from(runner)
        if start is not None and not is_own(start, runner.cfg):  # what that run keeps is not in this folder
            for key in ('keep_ckpt_ids', EXTRA_KEY):
                runner.message_hub.runtime_info.pop(key, None)
        super().before_train(runner)
        if self._is_local():
            self._check_space(runner)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Save what was due within the step, and save if this iteration asks for it."""
        if self._due is not None and runner.optim_wrapper.should_update():
            step, self._due = self._due, None
            self.write_checkpoint(runner, step, meta=dict(epoch=runner.epoch, iter=runner.iter + 1))
        super().after_train_iter(runner, batch_idx, data_batch, outputs)

    def save_due_checkpoint(self, runner: Runner) -> None:
        """Save now, or when the optimizer has made its step.

        A loop over epochs that resumes at their ends only saves there: its checkpoint lacks the gradients of the half
        step, as mmengine's does.
        """
        loop = runner.train_loop
        at_ends = (
            self.by_epoch and isinstance(loop, EpochBasedTrainLoop) and not getattr(loop, 'resumes_anywhere', False)
        )
        if at_ends and not runner.optim_wrapper.should_update():
            runner.logger.warning(
                f'epoch {runner.epoch + 1} ends within a step of accumulated gradients, whose beginning its checkpoint '
                'lacks. PretrainLoop with PairSampler resumes within an epoch'
            )
        if at_ends or runner.optim_wrapper.should_update():
            super().save_due_checkpoint(runner)
        else:
            self._due = runner.epoch + 1 if self.by_epoch else runner.iter + 1

    def write_checkpoint(self, runner: Runner, step: int, meta: dict) -> None:
        """Write a checkpoint, and then remove the oldest one.

        Raises:
            WorkDirError: If it cannot be written. The last one stays.
        """
        if isinstance(runner, _WritesWhole):
            runner = runner.runner
        runner.call_hook('before_write_checkpoint')
        if not self._is_local():
            super().write_checkpoint(runner, step, meta)
            return
        kept, dropped = [number for number in getattr(self, 'keep_ckpt_ids', ()) if number != step], []
        if self.max_keep_ckpts > 0:
            kept.append(step)
            kept, dropped = kept[-self.max_keep_ckpts :], kept[: -self.max_keep_ckpts]
            self.keep_ckpt_ids.clear()
            self.keep_ckpt_ids.extend(kept)
            runner.message_hub.update_info('keep_ckpt_ids', kept)  # it is in the checkpoint
        # A resumed run has it from its checkpoint, which may be anyone's.
        extra = runner.message_hub.get_info(EXTRA_KEY)
        extra = extra if isinstance(extra, str) and EXTRA_NAME.fullmatch(extra) else None
        runner.message_hub.update_info(EXTRA_KEY, None)
        path = Path(self.out_dir) / self.filename_tmpl.format(step)
        self._write(runner, path, meta)
        if is_main_process():
            for name in [*(self.filename_tmpl.format(number) for number in dropped), *([extra] if extra else [])]:
                (path.parent / name).unlink(missing_ok=True)

    def write_now(self, runner: Runner) -> Path:
        """Write a checkpoint of the iteration that has just ended, beside the regular ones.

        The next regular one replaces it.

        Returns:
            Its file; that of the regular checkpoint, if this iteration has one.

        Raises:
            WorkDirError: If it cannot be written.
            DivergedError: If a value is NaN or infinite.
        """
        if self._saved == runner.iter + 1 and self.last_ckpt is not None:
            return Path(self.last_ckpt)
        runner.call_hook('before_write_checkpoint')
        path = Path(self.out_dir) / f'iter_{runner.iter + 1}.pth'
        runner.message_hub.update_info(EXTRA_KEY, path.name)
        self._write(runner, path, dict(epoch=runner.epoch, iter=runner.iter + 1))
        return path

    def _write(self, runner: Runner, path: Path, meta: dict) -> None:
        """Check the values, and write the file whole, on rank 0."""
        self.last_ckpt = str(path)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        self._refuse_non_finite(runner, path)
        with self.told_if_not_written(runner, path):
            self._write_whole(runner, path, meta)
        self._saved = meta.get('iter', runner.iter)

    def write_best(self, runner: Runner, metrics: dict[str, Any]) -> None:
        """Write a checkpoint that is the best so far, and then remove the best one before.

        Raises:
            WorkDirError: If it cannot be written. The last one stays.
        """
        if not self.save_best or not self._is_local():
            super().write_best(runner, metrics)
            return
        before = self._best()
        self._set_best(dict.fromkeys(before))  # else mmengine removes them before it writes
        super().write_best(_WritesWhole(runner, self), metrics)
        after = {key: path or before.get(key) for key, path in self._best().items()}
        self._set_best(after)
        for path in set(before.values()) - set(after.values()):
            if path is not None and is_main_process():
                Path(path).unlink(missing_ok=True)

    def _best(self) -> dict[str, str | None]:
        """Return the best checkpoint by each metric."""
        return dict(self.best_ckpt_path_dict) if self._has_several() else {'': self.best_ckpt_path}

    def _set_best(self, paths: dict[str, str | None]) -> None:
        """Set what `_best` returns."""
        if self._has_several():
            self.best_ckpt_path_dict = paths
        else:
            self.best_ckpt_path = paths['']

    def _has_several(self) -> bool:
        """Return whether the best checkpoints by several metrics are kept, which mmengine stores in another way."""
        return len(self.key_indicators) > 1

    @contextmanager
    def told_if_not_written(self, runner: Runner, path: Path) -> Iterator[None]:
        """Turn a failure to write a checkpoint into a WorkDirError."""
        try:
            yield
        except (OSError, RuntimeError) as error:  # torch's writer raises a RuntimeError where the disk is full
            raise WorkDirError(
                f'the checkpoint {path} cannot be written ({reason_of(error)}); '
                f'{last_good(path.parent, runner.cfg)}. Free space, and continue by --resume'
            ) from error

    def _refuse_non_finite(self, runner: Runner, path: Path) -> None:
        """Raise a DivergedError if the model or the optimizer's state holds NaN or infinity."""
        tensors = list(unwrapped_model(runner).state_dict().items())
        if isinstance(runner.optim_wrapper, OptimWrapper):
            for number, state in enumerate(runner.optim_wrapper.optimizer.state.values()):
                tensors += [
                    (f'the optimizer state {key} of parameter {number}', value)
                    for key, value in state.items()
                    if isinstance(value, Tensor)
                ]
        name = first_non_finite(tensors)
        if name is not None:
            raise DivergedError(
                f'iteration {runner.iter + 1}: {name} holds NaN or infinity, so {path.name} is not saved; '
                f'{last_good(path.parent, runner.cfg)}'
            )

    @master_only
    def _write_whole(self, runner: Runner, path: Path, meta: dict) -> None:
        """Write the file whole, and then the name of it."""
        with written_whole(path) as part:
            runner.save_checkpoint(
                str(part.parent),
                part.name,
                save_optimizer=self.save_optimizer,
                save_param_scheduler=self.save_param_scheduler,
                meta=meta,
                by_epoch=self.by_epoch,
                **self.args,
            )
        write_text_whole(Path(runner.work_dir) / 'last_checkpoint', str(path))

    def _is_local(self) -> bool:
        """Return whether checkpoints go to a local disk."""
        return isinstance(self.file_backend, LocalBackend)

    @master_only
    def _check_space(self, runner: Runner) -> None:
        """Remove half-written files, and compare the free space with a checkpoint's size."""
        folder = Path(self.out_dir)
        folder.mkdir(parents=True, exist_ok=True)
        remove_dead_parts(folder / name_pattern(self.filename_tmpl))
        model = unwrapped_model(runner)
        weights = sum(tensor.nbytes for tensor in model.state_dict().values())
        # At most two values for each trainable parameter, as Adam keeps them.
        state = 2 * sum(parameter.nbytes for parameter in model.parameters() if parameter.requires_grad)
        needed, free = weights + state * self.save_optimizer, shutil.disk_usage(folder).free
        space = f'{free / 2**20:.0f} MiB are free in {folder}, and a checkpoint takes up to {needed / 2**20:.0f} MiB'
        if free < needed:
            raise WorkDirError(f'{space}: free space there, or name another folder by --work-dir')
        if self.max_keep_ckpts > 0 and free < needed * (self.max_keep_ckpts + 1):
            runner.logger.warning(f'{space}; the run keeps {self.max_keep_ckpts}, and one more while it writes')


class _WritesWhole:
    """A runner as mmengine's code for the best checkpoint sees it: it writes whole files."""

    def __init__(self, runner: Runner, hook: WholeCheckpointHook) -> None:
        self.runner, self.hook = runner, hook

    def __getattr__(self, name: str) -> Any:
        return getattr(self.runner, name)

    @master_only
    def save_checkpoint(self, out_dir: str, filename: str, **options: Any) -> None:
        """Save beside the final name, and rename."""
        path = Path(out_dir) / filename
        with self.hook.told_if_not_written(self.runner, path), written_whole(path) as part:
            self.runner.save_checkpoint(str(part.parent), part.name, **options)
