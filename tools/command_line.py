"""What the tools share: settings from the command line, the config file, and errors in one sentence.

At import, this module and every tool take the standard library only, so that ``--help`` answers at once; importing
torch and mmdet3d takes seconds.
"""

from __future__ import annotations

import argparse
import logging
import os
import pickle
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmengine.config import Config

# numba reads it when it is imported. When it first runs in parallel, as in mmdet3d's KITTI metric, it gives torch a
# thread for each core, whatever OMP_NUM_THREADS says. With a process for each core, an evaluation's runs after the
# first took ten times as long (measured).
if os.environ.get('OMP_NUM_THREADS', '').isdecimal():
    os.environ.setdefault('NUMBA_NUM_THREADS', os.environ['OMP_NUM_THREADS'])

# What torch makes of an error in a worker: an error of the same class, whose message ends with the original one.
WORKER_ERROR = re.compile(r'Caught (\w+) in [^\n]*\nOriginal Traceback .*\n(?:[\w.<>]+\.)?\1: (.*)', re.DOTALL)

# Settings that are paths. A folder may have a blank or a comma in its name.
PATHS = ('load_from', 'work_dir', 'data_root', 'ann_file', 'cache_dir', 'out_dir', 'info_path')

# What a terminal would obey; a file's name may hold it. Lines may break.
CONTROL = re.compile(r'[\x00-\x09\x0b-\x1f\x7f-\x9f]')


def add_cfg_options(parser: argparse.ArgumentParser, example: str = 'train_dataloader.batch_size=4') -> None:
    """Add ``--cfg-options``, which collects plain strings for `load_config`.

    Args:
        parser: The tool's parser.
        example: One or two settings for the help text.
    """
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action='extend',
        type=_key_and_value,
        default=[],
        metavar='KEY=VALUE',
        help=f'settings that override the config, such as {example}',
    )


def add_launcher(parser: argparse.ArgumentParser) -> None:
    """Add ``--launcher`` and the rank that torch.distributed.launch passes; torchrun passes it by the environment."""
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='job launcher')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def start_settings(config: Config, args: argparse.Namespace) -> None:
    """Put the launcher and the work directory of the command line into a config, and the rank into the environment.

    Without either, the work directory is ``work_dirs/CONFIG``.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    config.launcher = args.launcher
    if args.work_dir is not None:
        config.work_dir = args.work_dir
    elif config.get('work_dir') is None:
        config.work_dir = str(Path('work_dirs') / Path(args.config).stem)


def _key_and_value(option: str) -> str:
    """Refuse a setting without a value."""
    if '=' not in option:
        raise argparse.ArgumentTypeError(f'{option!r} is not of the form KEY=VALUE')
    return option


def as_settings(options: list[str]) -> dict[str, Any]:
    """Read the values of ``--cfg-options`` as mmengine's ``DictAction`` does, but for paths, which stay as they are.

    Args:
        options: Strings such as 'a.b=1,2'.

    Returns:
        Dotted key -> value.

    Raises:
        ConfigError: If the brackets of a value do not match.
    """
    from mmengine.config import DictAction

    from strl_mmdet3d.errors import ConfigError

    paths = {key: text for key, _, text in (option.partition('=') for option in options) if _is_path(key, text)}
    settings = argparse.Namespace(cfg_options={})
    others = [option for option in options if option.partition('=')[0] not in paths]
    try:
        DictAction(['--cfg-options'], 'cfg_options')(argparse.ArgumentParser(), settings, others)
    except AssertionError as error:
        raise ConfigError(f'--cfg-options: {error}. Close every bracket, and quote the setting in the shell') from error
    return settings.cfg_options | paths


def _is_path(key: str, text: str) -> bool:
    """Return whether a setting is a path with a blank or a comma, which ``DictAction`` drops or splits at."""
    return key.rpartition('.')[2] in PATHS and (' ' in text or ',' in text) and text[:1] not in '([\'"'


def load_config(path: str, options: list[str] | None = None) -> Config:
    """Read a config and override its settings.

    Args:
        path: A file, or 'package::path' for a config that an installed package ships.
        options: The strings of ``--cfg-options``.

    Returns:
        The config.

    Raises:
        ConfigError: If the file is missing or cannot be read, or a setting has no place in it.
    """
    from mmengine.config import Config
    from mmengine.hub import get_config

    from strl_mmdet3d.errors import ConfigError

    shipped = '::' in path
    if not shipped and not Path(path).is_file():
        raise ConfigError(f'no config at {path}: name a file such as configs/strl/pvrcnn_kitti_pretrain.py')
    try:
        config = get_config(path) if shipped else Config.fromfile(path)
    except (AssertionError, KeyError, OSError, RuntimeError, SyntaxError, ValueError) as error:
        raise ConfigError(f'{path} cannot be read as a config: {error}') from error
    try:
        config.merge_from_dict(as_settings(options or []))
    except (AttributeError, KeyError, TypeError) as error:
        raise ConfigError(f'--cfg-options do not fit {path}: {error}') from error
    return config


@contextmanager
def refused_settings() -> Iterator[None]:
    """Turn a ValueError of the block, by which a class refuses its arguments, into a `ConfigError`."""
    from strl_mmdet3d.errors import ConfigError

    try:
        yield
    except ValueError as error:
        raise ConfigError(str(error)) from error


@contextmanager
def foreseen_errors(out: str | Path = 'the output') -> Iterator[None]:
    """End the tool with 'error: ' and one sentence, without a traceback, if the block raises a foreseen error.

    Args:
        out: What the tool writes. It is named where the system does not name the file, as on a full disk.

    Raises:
        SystemExit: With the message, for a `StrlError`, an OSError or a pickle that is refused. Exit code 1.
    """
    try:
        from strl_mmdet3d.errors import StrlError
    except ImportError as error:  # the package refuses an environment that does not fit
        if error.name is None:
            raise SystemExit(f'error: {error}') from error
        raise
    try:
        yield
    except (StrlError, OSError, pickle.UnpicklingError) as error:
        raise SystemExit(f'error: {sentence(error, out)}') from error


def sentence(error: Exception, out: str | Path) -> str:
    """Return the message of an error, without what a DataLoader puts around the error of a worker.

    Args:
        error: The error.
        out: What the tool writes.
    """
    if isinstance(error, OSError) and error.errno is not None and error.filename is None:
        return f'{error.strerror}, while {out} was written'
    in_worker = WORKER_ERROR.fullmatch(str(error))
    text = (in_worker[2] if in_worker else str(error)).strip()
    return CONTROL.sub(lambda sign: ascii(sign[0])[1:-1], text)


def hide_deprecations() -> None:
    """Hide the deprecation warnings of other packages, unless ``python -W`` asks for warnings.

    Some packages use UserWarning for it. Call it before they are imported.
    """
    if sys.warnoptions:
        return
    others = r'(?!strl_mmdet3d)'
    for category in (DeprecationWarning, FutureWarning):
        warnings.filterwarnings('ignore', category=category, module=others)
    # 'depressed' is what a dense head of mmdet3d writes.
    warnings.filterwarnings('ignore', r'(?s).*\b(deprecated|depressed)\b', UserWarning, module=others)
    # torch logs one about a function that spconv calls.
    logging.getLogger('torch.fx._symbolic_trace').addFilter(lambda record: 'is_fx_tracing' not in record.getMessage())
