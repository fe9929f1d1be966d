"""Lets fine-tuning start only if the whole pre-trained encoder was loaded."""

from __future__ import annotations

from mmdet3d.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...export import META_KEY, ExportError, compare_loaded
from ...mmengine_internals import is_resumed, loaded_from
from ..unwrapping import unwrapped_model


@HOOKS.register_module()
class VerifyLoadHook(Hook):
    """Compare the model with the checkpoint of ``load_from``, bit for bit, before the first iteration.

    mmengine loads the tensors that fit and warns of the others. This hook turns a partial load of an exported encoder
    into an error, and logs which tensors start from scratch.
    """

    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self.checkpoint: dict | None = None

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keep the checkpoint; mmengine calls this before it copies the tensors into the model."""
        self.checkpoint = checkpoint

    def before_train(self, runner: Runner) -> None:
        """Compare, and log the report.

        Raises:
            ExportError: If ``load_from`` is not an exported encoder, or one of its tensors is not in the model.
        """
        if is_resumed(runner):  # a resumed run loads its own checkpoint, strictly
            return
        if self.checkpoint is None:
            raise ExportError('nothing was loaded: set load_from to an encoder exported by tools/export_encoder.py')
        if META_KEY not in self.checkpoint.get('meta', {}):
            raise ExportError(f'load_from={loaded_from(runner)} is not an encoder exported by tools/export_encoder.py')
        model = unwrapped_model(runner)
        report = compare_loaded(self.checkpoint, model, str(loaded_from(runner)))
        runner.logger.info(f'load_from: {report}')
        self.checkpoint = None
