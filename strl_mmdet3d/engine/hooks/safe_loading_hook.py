"""Safe loading, for a run that another project's ``train.py`` starts."""

from __future__ import annotations

from typing import Any

from mmdet3d.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...safe_loading import load_safely, without_code, without_foreign_files


@HOOKS.register_module()
class SafeLoadingHook(Hook):
    """Switch `load_safely` on as soon as the Runner builds its hooks: ahead of data sets and checkpoints.

    Our tools do so by themselves. mmdet3d's own ``tools/train.py`` needs this hook to resume on torch 2.6 and newer.
    """

    def __init__(self) -> None:
        load_safely()

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Take out what the Runner would run as code or delete, from whichever reader the checkpoint came.

        Args:
            runner: The Runner, which resumes after this.
            checkpoint: The checkpoint; it is changed.
        """
        without_foreign_files(without_code(checkpoint), runner.work_dir)
