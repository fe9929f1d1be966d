"""Exports the encoder at the end of a pre-training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmdet3d.registry import HOOKS
from mmengine.config import Config
from mmengine.dist import master_only
from mmengine.hooks import EMAHook, Hook
from mmengine.runner import Runner

from ...export import (
    RECORD_KEY,
    UNTRAINED_KEY,
    export_encoder,
    pretrained_detector,
    save_exported,
    trunk_record,
    verify_export,
)
from ..unwrapping import unwrapped_model


@HOOKS.register_module()
class ExportEncoderHook(Hook):
    """Export the encoder to ``WORK_DIR/FILENAME`` after training and verify it, as ``tools/export_encoder.py`` does.

    Each checkpoint gets a record of the trunk's tensors and settings, by which a later export can tell whether a tensor
    is missing, and a downstream config whether its settings are the same. The parts that `UntrainedPartsHook` has found
    are left out. If mmengine's `EMAHook` averages the weights, the average is exported, as it is in the checkpoints.

    Args:
        filename: The file's name in the work directory.
        verify: The downstream config whose model every exported tensor must load into. None takes the pre-trained
            detector.
    """

    priority = 'VERY_LOW'

    def __init__(self, filename: str = 'encoder.pth', verify: str | None = None) -> None:
        self.filename = filename
        self.verify = verify
        self.record: dict[str, dict[str, Any]] = {}

    def before_train(self, runner: Runner) -> None:
        """Describe the trunk."""
        record = trunk_record(unwrapped_model(runner), runner.cfg)
        self.record = {} if record is None else {RECORD_KEY: record}

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Write the record into the checkpoint's meta."""
        checkpoint['meta'] |= self.record

    @master_only
    def after_train(self, runner: Runner) -> None:
        """Export, verify, and log the report.

        Raises:
            ExportError: If the file cannot be written, or a tensor does not load. The file stays.
        """
        model = unwrapped_model(runner)
        meta = dict(epoch=runner.epoch, iter=runner.iter, seed=runner.seed, cfg=runner.cfg.pretty_text, **self.record)
        untrained = runner.message_hub.get_info(UNTRAINED_KEY)
        if untrained is not None:
            meta[UNTRAINED_KEY] = untrained
        path = Path(runner.work_dir) / self.filename
        checkpoint = dict(meta=meta, state_dict=model.state_dict())
        for hook in runner.hooks:
            if isinstance(hook, EMAHook):
                hook.before_save_checkpoint(runner, checkpoint)  # puts the average in the place of the weights
        save_exported(export_encoder(checkpoint, runner.experiment_name), path)
        runner.logger.info(f'the pre-trained encoder is in {path}')
        downstream: str | Config | None = self.verify
        if downstream is None:
            detector = pretrained_detector(runner.cfg)
            downstream = None if detector is None else Config(dict(model=detector))
        if downstream is not None:
            runner.logger.info(str(verify_export(path, downstream)))
