"""A page about the run, at its end."""

from __future__ import annotations

import copy
from pathlib import Path

from mmdet3d.registry import HOOKS
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...atomic_write import write_text_whole
from ...evaluation.online_encoding import training_untouched
from ...evaluation.report import write_report

SESSIONS_KEY = 'report_sessions'
"""The message hub's name for the run's log folders, which a checkpoint keeps."""


@HOOKS.register_module()
class ReportHook(Hook):
    """Write ``WORK_DIR/report.html`` after training: curves, numbers, warnings, sample pairs, versions, config.

    One file that shows without a network. A resumed run reports all its sessions, as long as their logs are where they
    were or in its own work directory; the page names them. What fails here does not fail the training: the page, or
    else the log, says what it was.

    Args:
        filename: The file's name in the work directory.
    """

    priority = 'LOWEST'

    def __init__(self, filename: str = 'report.html') -> None:
        self.filename = filename

    def before_train(self, runner: Runner) -> None:
        """Add this session's log folder to those of the sessions that it goes on with."""
        before = runner.message_hub.get_info(SESSIONS_KEY) or []
        runner.message_hub.update_info(SESSIONS_KEY, [*before, str(Path(runner.log_dir).resolve())])

    @master_only
    def after_train(self, runner: Runner) -> None:
        """Write the page."""
        path = Path(runner.work_dir) / self.filename
        try:
            logged = [Path(session) for session in runner.message_hub.get_info(SESSIONS_KEY)]
            # A work directory may have been moved between two sessions.
            sessions = [session if session.is_dir() else path.parent / session.name for session in logged]
            # Building data sets writes into their configs.
            with training_untouched(runner.model):
                page = write_report(sessions, copy.deepcopy(runner.cfg), f'Pre-training {runner.experiment_name}')
            write_text_whole(path, page)
        except Exception as error:  # the training is done, and its results are not to be lost for a page
            runner.logger.warning(f'no report: {path} could not be written ({type(error).__name__}: {error})')
            return
        runner.logger.info(f'a report of the run is in {path}')
