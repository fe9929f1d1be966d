"""The console of a run: progress, loss, remaining time, warnings and our own lines."""

from __future__ import annotations

import logging
import re
from typing import Any

from mmengine.logging import MMLogger
from mmengine.runner import Runner

NOISE = (
    r'-+\nSystem environment:',
    'Config:\n',
    'Hooks will be executed in the following order:',
    'Distributed training is not used, all SyncBatchNorm',
    r'.* - torch\.Size\(',  # how a weight was initialised
    'Exp name: ',
)
"""How mmengine's lines begin that a user of the console does not need."""

OUTDATED = r'"\w+" (will be deprecated|is the alias of)'
"""How mmengine's warnings begin about functions that mmdet3d, not the user, calls."""


class ConsoleFilter(logging.Filter):
    """Drops mmengine's `NOISE` and its warnings about `OUTDATED` functions. All other warnings and errors pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is shown."""
        text = record.getMessage().lstrip('\n')
        if record.levelno <= logging.INFO:
            return not any(re.match(beginning, text) for beginning in NOISE)
        return record.levelno > logging.WARNING or not re.match(OUTDATED, text)


class QuietRunner(Runner):
    """mmengine's Runner with a `ConsoleFilter`. The log file in the work directory keeps every line."""

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """Build the logger, and filter what it writes to the console.

        Args:
            args: As in :class:`mmengine.runner.Runner`.
            kwargs: As in :class:`mmengine.runner.Runner`.

        Returns:
            The logger.
        """
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(ConsoleFilter())
        return logger
