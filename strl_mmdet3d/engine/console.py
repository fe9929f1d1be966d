"""The Runner of our tools: a quiet console, and hooks that a config can leave out by name."""

from __future__ import annotations

import logging
import re
from typing import Any

from mmengine.hooks import Hook
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


STOCK_HOOKS = ('runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler', 'checkpoint')
"""The names of mmengine's own default hooks."""


class QuietRunner(Runner):
    """mmengine's Runner with a `ConsoleFilter`. The log file in the work directory keeps every line.

    ``default_hooks.NAME=None`` leaves any hook out; mmengine's Runner allows that for its `STOCK_HOOKS` only.
    """

    def register_default_hooks(self, hooks: dict[str, Hook | dict | None] | None = None) -> None:
        """Register the default hooks, without those that are None.

        Args:
            hooks: Name -> hook, its config, or None.
        """
        kept = {name: hook for name, hook in (hooks or {}).items() if hook is not None or name in STOCK_HOOKS}
        super().register_default_hooks(kept)

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
