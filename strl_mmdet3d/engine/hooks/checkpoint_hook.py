"""Checkpoints of which the last good one is whole, whenever the run is killed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from mmdet3d.registry import HOOKS
from mmengine.dist import is_main_process, master_only
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from ..unwrapping import unwrapped_model
from ..work_dir import WorkDirError, replace_file


@HOOKS.register_module()
class WholeCheckpointHook(CheckpointHook):
    """mmengine's checkpoints, each written whole or not at all.

    mmengine's own hook removes the oldest checkpoint before it writes the new one, in place, and so may leave none.
    This one writes beside the final name, renames, points ``last_checkpoint`` to it, and then removes the oldest one.
    And it saves after whole steps of the optimizer only: with accumulated gradients, a checkpoint that is due within a
    step waits for its end, because the gradients of half a step are in no checkpoint.

    The arguments are those of :class:`mmengine.hooks.CheckpointHook`. Where checkpoints do not go to a local disk, they
    are written as mmengine writes them.
    """

    last_ckpt: str | None
    _due: int | None = None  # the number of a checkpoint that waits for the step to be done

    def before_train(self, runner: Runner) -> None:
        """Remove what a killed run has left half-written, and look for space.

        Raises:
            WorkDirError: If there is no space for one checkpoint.
        """
        super().before_train(runner)
        if self._is_local():
            self._check_space(runner)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Save what was due within the step, and if the iteration is one to save."""
        if self._due is not None and runner.optim_wrapper.should_update():
            step, self._due = self._due, None
            self._save_checkpoint_with_step(runner, step, meta=dict(epoch=runner.epoch, iter=runner.iter + 1))
        super().after_train_iter(runner, batch_idx, data_batch, outputs)

    def _save_checkpoint(self, runner: Runner) -> None:
        """Save now, or when the optimizer has made its step."""
        if runner.optim_wrapper.should_update():
            super()._save_checkpoint(runner)
        else:
            self._due = runner.epoch + 1 if self.by_epoch else runner.iter + 1

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        """Write a checkpoint, and then remove the oldest one.

        Raises:
            WorkDirError: If it cannot be written. The last one stays.
        """
        if not self._is_local():
            super()._save_checkpoint_with_step(runner, step, meta)
            return
        kept, dropped = [number for number in getattr(self, 'keep_ckpt_ids', ()) if number != step], []
        if self.max_keep_ckpts > 0:
            kept.append(step)
            kept, dropped = kept[-self.max_keep_ckpts :], kept[: -self.max_keep_ckpts]
            self.keep_ckpt_ids.clear()
            self.keep_ckpt_ids.extend(kept)
            runner.message_hub.update_info('keep_ckpt_ids', kept)  # it is in the checkpoint
        path = Path(self.out_dir) / self.filename_tmpl.format(step)
        previous, self.last_ckpt = self.last_ckpt, str(path)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        try:
            self._write(runner, path, meta)
        except (OSError, RuntimeError) as error:  # torch's writer raises a RuntimeError where the disk is full
            path.with_name(f'{path.name}.part').unlink(missing_ok=True)
            raise WorkDirError(
                f'the checkpoint {path} cannot be written ({error}). '
                f'{f"The last good one is {previous}. " if previous else ""}Free space and go on by --resume'
            ) from error
        if is_main_process():
            for number in dropped:
                (path.parent / self.filename_tmpl.format(number)).unlink(missing_ok=True)

    def _write(self, runner: Runner, path: Path, meta: dict) -> None:
        """Write beside the final name, and rename."""
        part = f'{path.name}.part'
        runner.save_checkpoint(
            self.out_dir,
            part,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            **self.args,
        )
        if is_main_process():
            with (path.parent / part).open('rb+') as file:
                os.fsync(file.fileno())
            (path.parent / part).replace(path)
            replace_file(Path(runner.work_dir) / 'last_checkpoint', str(path))

    def _is_local(self) -> bool:
        """Tell whether checkpoints go to a local disk."""
        return isinstance(self.file_backend, LocalBackend)

    @master_only
    def _check_space(self, runner: Runner) -> None:
        """Remove half-written files, and compare the free space with a checkpoint's size."""
        folder = Path(self.out_dir)
        folder.mkdir(parents=True, exist_ok=True)
        for part in folder.glob(f'{self.filename_tmpl.format("*")}.part'):
            part.unlink()
        model = unwrapped_model(runner)
        weights = sum(tensor.nbytes for tensor in model.state_dict().values())
        # At most two values for each trainable parameter, as Adam keeps them.
        state = 2 * sum(parameter.nbytes for parameter in model.parameters() if parameter.requires_grad)
        needed, free = weights + state * self.save_optimizer, shutil.disk_usage(folder).free
        told = f'{free / 2**20:.0f} MiB are free in {folder}, and a checkpoint takes up to {needed / 2**20:.0f} MiB'
        if free < needed:
            raise WorkDirError(f'{told}: free space there, or name another folder by --work-dir')
        if self.max_keep_ckpts > 0 and free < needed * (self.max_keep_ckpts + 1):
            runner.logger.warning(f'{told}; the run keeps {self.max_keep_ckpts}, and one more while it writes')
