"""Writes a page about the run at its end."""

from __future__ import annotations

import copy
from pathlib import Path

from mmdet3d.registry import HOOKS
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...atomic_write import write_text_whole
from ...evaluation.online_encoding import training_untouched
from ...extras import extra

SESSIONS_KEY = 'report_sessions'
"""The message hub's name for the run's log folders, which a checkpoint keeps."""


@HOOKS.register_module()
class ReportHook(Hook):
    """Write ``WORK_DIR/report.html`` after training: a verdict, curves, numbers, warnings, data, versions, config.

    The page is one file that needs no network. A resumed run reports all its sessions if their logs are where they were
    or in its own work directory; the page names them. A failure here does not fail the training: the page says what
    failed, or the log does if the page cannot be written.

    Needs the extra 'vis' (matplotlib). Without it the log warns that there is no report.

    Args:
        filename: The file's name in the work directory.
    """

    priority = 'LOWEST'

    def __init__(self, filename: str = 'report.html') -> None:
        self.filename = filename

    def before_train(self, runner: Runner) -> None:
        """Add this session's log folder to the log folders of the sessions that it continues."""
        before = runner.message_hub.get_info(SESSIONS_KEY) or []
        runner.message_hub.update_info(SESSIONS_KEY, [*before, str(Path(runner.log_dir).resolve())])

    @master_only
    def after_train(self, runner: Runner) -> None:
        """Write the page."""
        path = Path(runner.work_dir) / self.filename
        try:
            with extra('vis'):
                from ...evaluation.report import write_report
            logged = [Path(session) for session in runner.message_hub.get_info(SESSIONS_KEY)]
            # A work directory may have been moved between two sessions.
            sessions = [session if session.is_dir() else path.parent / session.name for session in logged]
            # Building data sets writes into their configs.
            with training_untouched(runner.model):
                page = write_report(sessions, copy.deepcopy(runner.cfg), f'Pre-training {runner.experiment_name}')
            write_text_whole(path, page)
        except Exception as error:  # the training is done: a page must not cost its results
            runner.logger.warning(f'no report: {path} could not be written ({type(error).__name__}: {error})')
            return
        runner.logger.info(f'a report of the run is in {path}')
