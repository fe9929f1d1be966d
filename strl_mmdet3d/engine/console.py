"""The Runner of our tools: a quiet console, errors in one sentence, hooks that a config can leave out."""

from __future__ import annotations

import logging
import pickle
import re
from typing import Any

from mmengine.dist import all_gather_object
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.runner import IterBasedTrainLoop, Runner
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ..errors import ConfigError, StrlError
from ..mmengine_internals import is_resumed, keep_plain_metainfo, only_evaluates
from ..safe_loading import without_code, without_foreign_files
from .optimizers.warmup import with_length
from .run_start import checkpoint_folder, last_good, reason_of
from .unwrapping import unwrapped_model, unwrapped_names
from .work_dir import WorkDirError, cannot_be_written

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


def raise_again(record: logging.LogRecord) -> None:
    """Raise the error by which a record cannot be written; logging would print a traceback and go on."""
    raise


STOCK_HOOKS = ('runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler', 'checkpoint')
"""The names of mmengine's own default hooks."""


class QuietRunner(Runner):
    """mmengine's Runner with a `ConsoleFilter`. The log file in the work directory keeps every line.

    ``default_hooks.NAME=None`` leaves any hook out; mmengine's Runner allows that for its `STOCK_HOOKS` only. A
    checkpoint that cannot be loaded is a `ConfigError`, a work directory that takes no more a `WorkDirError`.
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
            if isinstance(handler, logging.FileHandler):
                handler.handleError = raise_again  # type: ignore[method-assign]
            else:
                handler.addFilter(ConsoleFilter())
        logger.info(f'the whole log is in {logger.log_file}')
        return logger

    def build_param_scheduler(self, scheduler: Any) -> Any:
        """Build the schedulers, and tell those that count epochs how many a run by iterations has.

        mmengine takes such a run for one epoch, after which a `WarmupLR` and a `CosineAfterWarmupLR` would be over.

        Args:
            scheduler: As in :class:`mmengine.runner.Runner`.

        Returns:
            The schedulers.
        """
        if isinstance(self.train_loop, IterBasedTrainLoop):
            scheduler = with_length(scheduler, self.max_iters / len(self.train_dataloader))
        return super().build_param_scheduler(scheduler)

    @staticmethod
    def build_dataloader(*args: Any, **kwargs: Any) -> DataLoader:
        """Build a dataloader whose data set describes itself in plain values.

        mmdet3d's data sets of segmentation keep mmengine's ConfigDict in their metainfo, and mmengine copies it into
        each checkpoint, twice. ``torch.load`` with ``weights_only`` would refuse such a file elsewhere. Safe loading
        reads a plain dict there, and mmengine would warn of other data in a resumed run.

        Args:
            args: As in :class:`mmengine.runner.Runner`.
            kwargs: As in :class:`mmengine.runner.Runner`.

        Returns:
            The dataloader.
        """
        loader = Runner.build_dataloader(*args, **kwargs)
        keep_plain_metainfo(loader.dataset)
        return loader

    def load_checkpoint(self, filename: str, *args: Any, **kwargs: Any) -> dict:
        """Load a checkpoint, without what mmengine would run as code, or would delete as its own.

        Args:
            filename: The file, or its address.
            args: As in :class:`mmengine.runner.Runner`.
            kwargs: As in :class:`mmengine.runner.Runner`.

        Returns:
            Its content.

        Raises:
            ConfigError: If the run resumes, and a tensor of the model is missing in it or has another shape.
        """
        checkpoint = super().load_checkpoint(filename, *args, **kwargs)
        if is_resumed(self):
            self._refuse_other_tensors(checkpoint, filename)
        elif not only_evaluates(self):
            self._refuse_no_tensor(checkpoint, filename)
        return without_foreign_files(without_code(checkpoint), self.work_dir)

    def _refuse_other_tensors(self, checkpoint: dict, filename: str) -> None:
        """Raise a ConfigError if a checkpoint to resume lacks a tensor of the model, or has another one."""
        mine = {name: tuple(tensor.shape) for name, tensor in unwrapped_model(self).state_dict().items()}
        theirs = {name: tuple(tensor.shape) for name, tensor in checkpoint['state_dict'].items()}
        for name in sorted(mine.keys() | theirs.keys()):
            if mine.get(name) != theirs.get(name):
                raise ConfigError(
                    f'{filename} is of another model: {name} is {theirs.get(name, "missing")} in it and '
                    f'{mine.get(name, "missing")} in this run, so the run cannot be resumed. Begin a new one from its '
                    f'weights: load_from={filename} without --resume'
                )

    def _refuse_no_tensor(self, checkpoint: dict, filename: str) -> None:
        """Raise a ConfigError if no tensor of a checkpoint has landed; mmengine would print a warning and train."""
        mine = {name: tuple(tensor.shape) for name, tensor in unwrapped_model(self).state_dict().items()}
        theirs = {
            name: tuple(tensor.shape)
            for name, tensor in unwrapped_names(checkpoint.get('state_dict', checkpoint)).items()
            if isinstance(tensor, Tensor)
        }
        if not mine.items() & theirs.items():
            first, own = (' '.join(map(str, next(iter(some.items()), ('nothing',)))) for some in (theirs, mine))
            raise ConfigError(
                f'no tensor of {filename} is in this model, by name and shape: it holds {first}, the model {own}. A '
                'pre-training begins from a checkpoint of a pre-training, a detector from an exported encoder'
            )

    def load_or_resume(self) -> None:
        """Load the checkpoint that the config names, or resume from it.

        Raises:
            ConfigError: If it is damaged, unsafe, cannot be fetched, or lacks what is needed, or if the ranks begin at
                different ones.
        """
        purpose = 'resumed from' if self.cfg.get('resume') else 'loaded'
        checkpoint = self.cfg.get('load_from') or f'the last checkpoint of {self.work_dir}'
        begins = all_gather_object((bool(self.cfg.get('resume')), self.cfg.get('load_from')))
        if len(set(begins)) > 1:
            raise ConfigError(
                f'the ranks see different checkpoints ({", ".join(str(path) for _, path in begins)}): put the work '
                'directory on a disk that all machines share, or name the checkpoint by --resume CKPT'
            )
        settings = self._optimizer_settings()
        try:
            super().load_or_resume()
            for before, after in zip(settings, self._optimizer_settings(), strict=True):
                if before - after:  # torch takes over the settings of another kind of optimizer
                    raise ValueError(f'its optimizer is of another kind, without {", ".join(sorted(before - after))}')
        except StrlError:
            raise
        except OSError as error:
            if '://' not in checkpoint:
                raise
            raise ConfigError(
                f'{checkpoint} cannot be fetched ({error}): download it by other means, and name the file by '
                f'{"--resume" if self.cfg.get("resume") else "load_from"}'
            ) from error
        # ValueError and IndexError come from an optimizer or a scheduler whose state does not fit.
        except (EOFError, LookupError, TypeError, ValueError, RuntimeError, pickle.UnpicklingError) as error:
            raise ConfigError(
                f'{checkpoint} cannot be {purpose}: it is damaged, or not a checkpoint that fits ({reason_of(error)}). '
                f'Name another one by {"--resume" if self.cfg.get("resume") else "load_from"}'
            ) from error

    def _optimizer_settings(self) -> list[set[str]]:
        """Return the names of the settings of each group of parameters; none if there are several optimizers."""
        optimizer = getattr(self.optim_wrapper, 'optimizer', None)
        return [set(group) for group in optimizer.param_groups] if optimizer is not None else []

    def train(self) -> nn.Module:
        """Train, and return the model.

        Raises:
            WorkDirError: If the work directory takes no more, or is gone. The message names the last good checkpoint.
        """
        try:
            return super().train()
        except StrlError:
            raise
        except OSError as error:
            if not cannot_be_written(self.work_dir, error):
                raise
            folder = checkpoint_folder(self.cfg)
            kept = f'; {last_good(folder, self.cfg)}' if folder else ''
            raise WorkDirError(
                f'{self.work_dir} cannot be written to any more ({error.strerror or error}){kept}. Free space or '
                'restore the folder, and continue by --resume'
            ) from error
