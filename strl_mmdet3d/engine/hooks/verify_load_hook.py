"""Lets fine-tuning start only if the whole pre-trained encoder was loaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmdet3d.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...export import ExportError, check_exported, compare_loaded, compare_settings, plain_checkpoint, read_exported
from ...mmengine_internals import has_loaded, is_resumed, loaded_from, only_evaluates
from ..unwrapping import unwrapped_model

NOTHING_LOADED = 'nothing was loaded: set load_from to an encoder exported by tools/export_encoder.py'


@HOOKS.register_module()
class VerifyLoadHook(Hook):
    """Let a run start only if ``load_from`` is a whole exported encoder, and all of it is in the model, bit for bit.

    mmengine loads the tensors that fit and warns of the others. This hook turns a partial load of an exported encoder
    into an error: a file that was changed or lacks a tensor, a tensor of the model's trunk that was not loaded, a
    setting that differs from the pre-training's. It logs which tensors start from scratch.

    Args:
        allow_different: Settings that may differ from the pre-training's, and tensors of the trunk that the encoder
            need not hold, by the names in the error message; the last or first components of a name suffice.
    """

    priority = 'VERY_HIGH'

    def __init__(self, allow_different: Sequence[str] = ()) -> None:
        self.allow_different = list(allow_different)
        self.exported: dict[str, Any] | None = None

    def before_run(self, runner: Runner) -> None:
        """Read the file of ``load_from`` before mmengine does.

        Raises:
            ExportError: If ``load_from`` is not set, or is not a whole exported encoder.
        """
        # A resumed run loads its own checkpoint, strictly; a test loads the one of a whole detector.
        if is_resumed(runner) or only_evaluates(runner):
            return
        path = loaded_from(runner)
        if path is None:
            raise ExportError(NOTHING_LOADED)
        if '://' not in str(path) or Path(path).is_file():
            self.exported = read_exported(Path(path).expanduser())

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Check what mmengine has fetched from another place than a local file, before it is in the model."""
        if self.exported is None and not (is_resumed(runner) or only_evaluates(runner)):
            source = str(loaded_from(runner))
            self.exported = check_exported(plain_checkpoint(checkpoint, source), source)

    def before_train(self, runner: Runner) -> None:
        """Compare, and log the report.

        Raises:
            ExportError: If nothing was loaded, a tensor is not in the model, the model's trunk has one that is not in
                the file, or a setting differs from the pre-training's.
        """
        if is_resumed(runner) and has_loaded(runner):
            return
        if self.exported is None:  # so too if there was no checkpoint to resume
            raise ExportError(NOTHING_LOADED)
        source = str(loaded_from(runner))
        report = compare_loaded(self.exported, unwrapped_model(runner), source, self.allow_different)
        report.settings = compare_settings(self.exported, runner.cfg, source, self.allow_different)
        runner.logger.info(f'load_from: {report}')
        self.exported = None
