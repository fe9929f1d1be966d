"""Train: pre-training and fine-tuning alike, with the options of mmdet3d's own ``tools/train.py`` but ``--ceph``.

Examples:
    python tools/train.py configs/strl/pvrcnn_kitti_pretrain.py
    python tools/train.py CONFIG --work-dir work_dirs/run --cfg-options train_dataloader.batch_size=4
    python tools/train.py CONFIG --resume
    python tools/train.py CONFIG --resume --cfg-options train_cfg.max_epochs=200 --allow-change train_cfg.max_epochs
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from command_line import add_cfg_options, add_launcher, foreseen_errors, hide_deprecations, load_config, start_settings

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.runner import Runner

# torch reads it when it is imported: its large tensors on a CPU in pages of 2 MB, where Linux offers them. A step of
# VoteNet takes two thirds of the time (measured, docs/performance.md), since less is lost to page faults.
os.environ.setdefault('THP_MEM_ALLOC_ENABLE', '1')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='the config file')
    parser.add_argument('--work-dir', help='where logs and checkpoints go; work_dirs/CONFIG by default')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CKPT',
        help='continue from a checkpoint; without a name, from the newest whole one in the work directory, if any',
    )
    parser.add_argument(
        '--start-over',
        action='store_true',
        help='begin again in a work directory that holds a run; its files move to earlier_run_N in there',
    )
    parser.add_argument(
        '--allow-change',
        nargs='+',
        action='extend',
        default=[],
        metavar='KEY',
        help='settings in which a resumed run may differ from its checkpoint, such as optim_wrapper.optimizer.lr',
    )
    parser.add_argument('--amp', action='store_true', help='mixed precision: float16 on a GPU, bfloat16 on the CPU')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate by the batch of all ranks over auto_scale_lr.base_batch_size',
    )
    parser.add_argument(
        '--sync_bn',
        choices=['none', 'torch', 'mmcv'],
        default='none',
        help="BatchNorm takes the statistics of all ranks, by torch's or mmcv's layers; none: as the config says",
    )
    add_launcher(parser)
    add_cfg_options(parser, 'train_cfg.max_epochs=4')
    args = parser.parse_args(argv)
    if args.start_over and args.resume:
        parser.error('--start-over begins a run, --resume continues one: give one of them')
    return args


def build_config(args: argparse.Namespace) -> Config:
    """Read the config and put the command line into it.

    Raises:
        ConfigError: If the config cannot be read, `--amp` meets an optimizer wrapper of another kind,
            `--auto-scale-lr` finds no batch size of reference, or `--allow-change` nothing that compares.
    """
    from strl_mmdet3d.errors import ConfigError

    config = load_config(args.config, args.cfg_options)
    start_settings(config, args)
    if args.amp:
        enable_amp(config)
    if args.sync_bn != 'none':
        config.sync_bn = args.sync_bn
    if args.auto_scale_lr:
        if not {'enable', 'base_batch_size'} <= set(config.get('auto_scale_lr') or {}):
            raise ConfigError(
                '--auto-scale-lr needs the batch size for which the rate was chosen: set '
                f'auto_scale_lr=dict(enable=False, base_batch_size=SIZE) in {args.config}'
            )
        config.auto_scale_lr.enable = True
    if args.allow_change:
        hooks = config.get('default_hooks') or {}
        if 'same_run' in hooks and hooks['same_run'] is None:
            raise ConfigError(
                '--allow-change tells SameRunHook what may differ, and default_hooks.same_run=None leaves that hook '
                'out: leave out one of the two'
            )
        config.merge_from_dict({'default_hooks.same_run': dict(type='SameRunHook', allow=args.allow_change)})
    return config


def name_start(config: Config, resume: str | None) -> bool:
    """Write a checkpoint that the command line or the config names into the config, and check it.

    A path such as s3://bucket/epoch_1.pth is left to mmengine's backends.

    Args:
        config: The config; ``resume`` and ``load_from`` are set.
        resume: The value of ``--resume``: None, 'auto', or a checkpoint.

    Returns:
        Whether the run goes on from the newest checkpoint in its work directory, if there is one. A run that torchrun
        or Slurm has started again does, whatever the command line says; if it has saved none yet, and was to go on from
        a named one, it begins there again.

    Raises:
        ConfigError: If the file is missing, damaged, or cannot be resumed from.
    """
    from strl_mmdet3d.engine.run_start import BrokenCheckpointError, check_whole, read_start
    from strl_mmdet3d.errors import ConfigError

    if resume == '':
        raise ConfigError('--resume has an empty name: name a checkpoint, or leave the name out for the newest one')
    if resume not in (None, 'auto'):
        config.resume, config.load_from = True, resume
    named = resume != 'auto' and config.get('resume') and config.get('load_from')
    if any(int(os.environ.get(f'{starter}_RESTART_COUNT', 0)) for starter in ('TORCHELASTIC', 'SLURM')) and (
        not named or has_saved(config)
    ):
        return True
    if resume == 'auto' or (config.get('resume') and not named):
        return True
    path = config.get('load_from')
    if not path or '://' in path:
        return False
    path = config.load_from = str(Path(path).expanduser())
    resumes = config.get('resume')
    if not Path(path).is_file():
        if resumes:
            raise ConfigError(f'no checkpoint at {path} to resume from: name another one by --resume')
        raise ConfigError(f'no checkpoint at {path} to load: correct load_from')
    try:
        if resumes:
            read_start(Path(path))
        if resumes or zipfile.is_zipfile(path):  # torch's older format, which has no checksums, can be loaded
            check_whole(Path(path))
    except BrokenCheckpointError as error:
        purpose, option = ('resumed from', '--resume') if resumes else ('loaded', 'load_from')
        raise ConfigError(f'{path} cannot be {purpose}: {error}. Name another one by {option}') from error
    return False


def has_saved(config: Config) -> bool:
    """Return whether the run has a checkpoint, whole or not."""
    from mmengine.runner import find_latest_checkpoint

    from strl_mmdet3d.engine import run_start

    folder = run_start.checkpoint_folder(config)
    if folder is None:
        return find_latest_checkpoint(config.work_dir) is not None
    return bool(run_start.checkpoints_in(folder, config))


def choose_start(config: Config, newest: bool, start_over: bool = False) -> None:
    """Decide where the run begins, and protect what its work directory holds.

    Args:
        config: The config. Without a checkpoint to continue from, its ``load_from`` stays, so that fine-tuning begins
            with its pre-trained weights.
        newest: Whether to continue from the newest whole checkpoint in the work directory; see `name_start`.
        start_over: Whether an earlier run in the work directory may be set aside.

    Raises:
        ConfigError: If no checkpoint there is whole, or the run would overwrite one of another run.
    """
    from mmengine.runner import find_latest_checkpoint

    from strl_mmdet3d.engine import run_start
    from strl_mmdet3d.engine.work_dir import is_first_rank

    first_rank = is_first_rank(config.get('launcher', 'none'))
    if newest:
        start, skipped = run_start.start_to_resume(config)
        for path, reason in skipped.items() if first_rank else ():
            print(f'{path} is skipped: {reason}')
        found = str(start.path) if start else None
        if run_start.checkpoint_folder(config) is None:  # in the cloud: mmengine keeps the name of its last one
            found = find_latest_checkpoint(config.work_dir)
        config.resume = found is not None
        if found:
            config.load_from = found
        if first_rank:
            print(f'resuming from {found}' if found else f'no checkpoint in {config.work_dir}: the run begins')
    elif not first_rank:
        return
    elif config.get('resume'):
        if not run_start.is_own(config.load_from, config):
            run_start.refuse_another_run(config)
            return
        if '://' in config.load_from:
            return
        aside = run_start.set_aside(config, run_start.later_than(Path(config.load_from), config))
        if aside:
            print(f'checkpoints later than {config.load_from} have been moved to {aside}')
    elif start_over:
        begin_again(config)
    else:
        run_start.refuse_to_overwrite(config)


def begin_again(config: Config) -> None:
    """Set the earlier run in the work directory aside, and follow the weights to begin with, if they are among it.

    Raises:
        ConfigError: If they are, and other ranks would look for them at their old place.
    """
    from strl_mmdet3d.engine import run_start
    from strl_mmdet3d.errors import ConfigError

    weights = config.get('load_from')
    moves = bool(weights) and any(Path(weights).resolve() == path.resolve() for path in run_start.run_files(config))
    if moves and config.get('launcher', 'none') != 'none':
        raise ConfigError(
            f'--start-over moves load_from={weights} away while other ranks read it: copy it out of {config.work_dir} '
            'and name the copy'
        )
    aside = run_start.set_aside(config)
    if aside is None:
        return
    print(f'the earlier run has been moved to {aside}')
    if moves:
        config.load_from = str(aside / Path(weights).name)
        print(f'so load_from is {config.load_from} now')


def enable_amp(config: Config) -> None:
    """Exchange the optimizer wrapper for the one of mixed precision.

    Raises:
        ConfigError: If the config's wrapper is neither the plain one nor one of mixed precision.
    """
    import torch

    from strl_mmdet3d.errors import ConfigError
    from strl_mmdet3d.export.class_defaults import name_of

    kind = name_of(config.optim_wrapper.get('type', 'OptimWrapper'))
    if kind not in ('OptimWrapper', 'AmpOptimWrapper', 'BFloat16OptimWrapper'):
        raise ConfigError(f'--amp replaces an OptimWrapper, but optim_wrapper.type is {kind}: leave --amp out')
    if not torch.cuda.is_available():  # where AmpOptimWrapper needs a GPU
        config.optim_wrapper.type = 'BFloat16OptimWrapper'
        for setting in ('loss_scale', 'dtype'):
            config.optim_wrapper.pop(setting, None)
    elif kind == 'OptimWrapper':
        config.optim_wrapper.type = 'AmpOptimWrapper'
        config.optim_wrapper.setdefault('loss_scale', 'dynamic')


def run(args: argparse.Namespace) -> Runner:
    """Train as the command line asks.

    Raises:
        StrlError: If the config, the data, the launcher or the work directory does not allow it.
    """
    from strl_mmdet3d.engine.console import QuietRunner
    from strl_mmdet3d.engine.distributed import use_ranks_without_gpu
    from strl_mmdet3d.engine.work_dir import alone_in, is_first_rank, prepare_work_dir
    from strl_mmdet3d.safe_loading import load_safely

    load_safely()
    config = build_config(args)
    newest = name_start(config, args.resume)
    use_ranks_without_gpu(config)
    prepare_work_dir(config.work_dir)
    with alone_in(config.work_dir, is_first_rank(config.get('launcher', 'none'))):
        choose_start(config, newest, args.start_over)
        runner = QuietRunner.from_cfg(config)
        runner.train()
    return runner


def hide_writer_threads() -> None:
    """Print no traceback for a thread that cannot write: TensorBoard's raises its error again in the run itself."""
    usual = threading.excepthook

    def print_others(args: threading.ExceptHookArgs) -> None:
        if not issubclass(args.exc_type, OSError):
            usual(args)

    threading.excepthook = print_others


def main(argv: list[str] | None = None) -> Runner:
    """Train, and return the finished runner.

    Raises:
        SystemExit: With a message, for a foreseen error.
    """
    args = parse_args(argv)
    hide_deprecations()
    hide_writer_threads()
    with foreseen_errors(args.work_dir or 'the work directory'):
        return run(args)


if __name__ == '__main__':
    main(sys.argv[1:])

    from strl_mmdet3d.engine.distributed import leave_ranks

    leave_ranks()
