"""Train: pre-training and fine-tuning alike, with the options of mmdet3d's own ``tools/train.py``.

Examples:
    python tools/train.py configs/strl/pvrcnn_kitti_pretrain.py
    python tools/train.py CONFIG --work-dir work_dirs/run --cfg-options train_dataloader.batch_size=4
    python tools/train.py CONFIG --resume
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from command_line import add_cfg_options, foreseen_errors, hide_deprecations, load_config

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
        help='continue from a checkpoint; without a name, from the last one in the work directory',
    )
    parser.add_argument('--amp', action='store_true', help='mixed precision: float16 on a GPU, bfloat16 on the CPU')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='job launcher')
    add_cfg_options(parser, 'train_cfg.max_epochs=4')
    # torch.distributed.launch passes the rank in this way; torchrun by the environment.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def build_config(args: argparse.Namespace) -> Config:
    """Read the config and put the command line into it.

    Raises:
        ConfigError: If the config cannot be read, or `--amp` meets an optimizer wrapper of another kind.
    """
    config = load_config(args.config, args.cfg_options)
    config.launcher = args.launcher
    if args.work_dir is not None:
        config.work_dir = args.work_dir
    elif config.get('work_dir') is None:
        config.work_dir = str(Path('work_dirs') / Path(args.config).stem)
    if args.amp:
        enable_amp(config)
    choose_start(config, args.resume)
    return config


def choose_start(config: Config, resume: str | None) -> None:
    """Write into the config where the run begins: at the start, at a checkpoint, or at the last one in the work dir.

    A run that torchrun or Slurm has started again continues from the last checkpoint, whatever the command line says.

    Args:
        config: The config; ``resume`` and ``load_from`` are set. Without a checkpoint to continue from they stay, so
            that fine-tuning begins with its pre-trained weights.
        resume: The value of ``--resume``: None, 'auto', or a checkpoint.
    """
    from mmengine.runner import find_latest_checkpoint

    if any(int(os.environ.get(f'{starter}_RESTART_COUNT', 0)) for starter in ('TORCHELASTIC', 'SLURM')):
        resume = 'auto'
    if resume == 'auto':
        resume = find_latest_checkpoint(config.work_dir)
    if resume:
        config.resume, config.load_from = True, resume


def check_start(config: Config) -> None:
    """Refuse a checkpoint that is missing, before the model and the data are built.

    A path such as s3://bucket/epoch_1.pth is left to mmengine's backends.

    Raises:
        ConfigError: Naming the file.
    """
    from strl_mmdet3d.errors import ConfigError

    path = config.get('load_from')
    if not path or '://' in path or Path(path).expanduser().is_file():
        return
    if config.get('resume'):
        raise ConfigError(f'no checkpoint at {path} to resume from: name another one by --resume')
    raise ConfigError(f'no checkpoint at {path} to load: correct load_from')


def enable_amp(config: Config) -> None:
    """Exchange the optimizer wrapper for the one of mixed precision.

    Raises:
        ConfigError: If the config's wrapper is neither the plain one nor one of mixed precision.
    """
    import torch

    from strl_mmdet3d.errors import ConfigError

    kind = config.optim_wrapper.get('type', 'OptimWrapper')
    if kind in ('AmpOptimWrapper', 'BFloat16OptimWrapper'):
        return
    if kind != 'OptimWrapper':
        raise ConfigError(f'--amp replaces an OptimWrapper, but optim_wrapper.type is {kind}: leave --amp out')
    if torch.cuda.is_available():
        config.optim_wrapper.type = 'AmpOptimWrapper'
        config.optim_wrapper.setdefault('loss_scale', 'dynamic')
    else:
        config.optim_wrapper.type = 'BFloat16OptimWrapper'


def run(args: argparse.Namespace) -> Runner:
    """Train as the command line asks.

    Raises:
        StrlError: If the config, the data, the launcher or the work directory does not allow it.
    """
    from strl_mmdet3d.engine.console import QuietRunner
    from strl_mmdet3d.engine.distributed import use_ranks_without_gpu
    from strl_mmdet3d.engine.work_dir import prepare_work_dir
    from strl_mmdet3d.safe_loading import load_safely

    load_safely()
    config = build_config(args)
    check_start(config)
    use_ranks_without_gpu(config)
    prepare_work_dir(config.work_dir)
    if not config.get('resume') and int(os.environ.get('RANK', 0)) == 0:
        # Of an earlier run in the same folder: no restart may take it for ours. The checkpoint itself stays.
        (Path(config.work_dir) / 'last_checkpoint').unlink(missing_ok=True)
    runner = QuietRunner.from_cfg(config)
    runner.train()
    return runner


def main(argv: list[str] | None = None) -> Runner:
    """Train, and return the finished runner.

    Raises:
        SystemExit: With a message, for a foreseen error.
    """
    args = parse_args(argv)
    hide_deprecations()
    with foreseen_errors(args.work_dir or 'the work directory'):
        return run(args)


if __name__ == '__main__':
    main(sys.argv[1:])

    from strl_mmdet3d.engine.distributed import leave_ranks

    leave_ranks()
