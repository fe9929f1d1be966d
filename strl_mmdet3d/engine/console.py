"""The Runner of our tools: a quiet console, errors that name the checkpoint, hooks that a config can leave out."""

from __future__ import annotations

import logging
import pickle
import re
from typing import Any

from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.runner import Runner

from ..errors import ConfigError, StrlError

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

    ``default_hooks.NAME=None`` leaves any hook out; mmengine's Runner allows that for its `STOCK_HOOKS` only. A
    checkpoint that cannot be loaded is a `ConfigError`.
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
        logger.info(f'the whole log is in {logger.log_file}')
        return logger

    def load_or_resume(self) -> None:
        """Load the checkpoint that the config names, or resume from it.

        Raises:
            ConfigError: If it is damaged, unsafe, or lacks what is needed; torch's own errors do not name the file.
        """
        try:
            super().load_or_resume()
        except StrlError:
            raise
        except (EOFError, KeyError, RuntimeError, pickle.UnpicklingError) as error:
            refused = re.search(r'WeightsUnpickler error:\s*(.*)', str(error))  # the rest is advice to load unsafely
            reason = refused[1] if refused else f'{type(error).__name__}: {error}'
            checkpoint = self.cfg.get('load_from') or f'the last checkpoint of {self.work_dir}'
            purpose = 'resumed from' if self.cfg.get('resume') else 'loaded'
            raise ConfigError(
                f'{checkpoint} cannot be {purpose}: it is damaged, or not a checkpoint that fits ({reason}). Name '
                f'another one by {"--resume" if self.cfg.get("resume") else "load_from"}'
            ) from error
