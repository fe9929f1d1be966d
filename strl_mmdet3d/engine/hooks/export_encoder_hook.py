"""Exports the encoder at the end of a pre-training."""

from __future__ import annotations

from pathlib import Path

from mmdet3d.registry import HOOKS
from mmengine.config import Config
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...export import export_encoder, save_exported, verify_export
from ...models.encoder import detector_config
from ..unwrapping import unwrapped_model


@HOOKS.register_module()
class ExportEncoderHook(Hook):
    """Export the encoder to ``WORK_DIR/FILENAME`` after training and verify it, as ``tools/export_encoder.py`` does.

    Args:
        filename: The file's name in the work directory.
        verify: The downstream config whose model every exported tensor must load into. None takes the pre-trained
            detector.
    """

    priority = 'VERY_LOW'

    def __init__(self, filename: str = 'encoder.pth', verify: str | None = None) -> None:
        self.filename = filename
        self.verify = verify

    @master_only
    def after_train(self, runner: Runner) -> None:
        """Export, verify, and log the report.

        Raises:
            ExportError: If a tensor does not load. The file stays.
        """
        model = unwrapped_model(runner)
        meta = dict(epoch=runner.epoch, iter=runner.iter, seed=runner.seed, cfg=runner.cfg.pretty_text)
        path = Path(runner.work_dir) / self.filename
        save_exported(export_encoder(dict(meta=meta, state_dict=model.state_dict()), runner.experiment_name), path)
        runner.logger.info(f'the pre-trained encoder is in {path}')
        encoder = runner.cfg.model.encoder
        downstream = self.verify
        if downstream is None and 'detector' in encoder:
            downstream = Config(dict(model=detector_config(encoder.detector, encoder.get('override'))))
        if downstream is not None:
            runner.logger.info(str(verify_export(path, downstream)))
