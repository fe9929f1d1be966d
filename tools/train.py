"""Train: pre-training and fine-tuning alike, with the options of mmdet3d's own ``tools/train.py``.

Examples:
    python tools/train.py configs/strl/pvrcnn_kitti_pretrain.py
    python tools/train.py CONFIG --work-dir work_dirs/run --cfg-options train_dataloader.batch_size=4
    python tools/train.py CONFIG --resume
"""

from __future__ import annotations

import argparse
import os
import pickle
import sys
from pathlib import Path

# Before torch is imported, which reads it then: its large tensors on a CPU in pages of 2 MB, where Linux offers them. A
# step of VoteNet takes two thirds of the time (measured, docs/performance.md), since less is lost to page faults.
os.environ.setdefault('THP_MEM_ALLOC_ENABLE', '1')

import torch
from mmengine.config import Config, DictAction
from mmengine.runner import Runner, find_latest_checkpoint

from strl_mmdet3d.datasets import SequenceIndexError, UnusablePairError

# Importing the package checks the versions; and --resume needs its allow-list, whatever the config imports.
from strl_mmdet3d.engine.distributed import leave_ranks, use_ranks_without_gpu
from strl_mmdet3d.engine.hooks import CollapseError, UnusableFramesError
from strl_mmdet3d.engine.pretrain_loop import ResumeError
from strl_mmdet3d.engine.work_dir import WorkDirError, prepare_work_dir
from strl_mmdet3d.export import ExportError

# Errors whose message says all: what is wrong with which file, and what to do.
TOLD = (
    CollapseError,
    ExportError,
    ResumeError,
    SequenceIndexError,
    UnusableFramesError,
    UnusablePairError,
    WorkDirError,
)


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
        help='go on from a checkpoint; without a name, from the last one in the work directory',
    )
    parser.add_argument('--amp', action='store_true', help='mixed precision: float16 on a GPU, bfloat16 on the CPU')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='job launcher')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='settings that override the config, such as train_cfg.max_epochs=4 param_scheduler.0.end=1',
    )
    # torch.distributed.launch passes the rank in this way; torchrun by the environment.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def build_config(args: argparse.Namespace) -> Config:
    """Read the config and put the command line into it.

    Raises:
        SystemExit: If the file does not exist, or `--amp` meets an optimizer wrapper of another kind.
    """
    if not Path(args.config).is_file():
        raise SystemExit(f'no config at {args.config}')
    config = Config.fromfile(args.config)
    config.launcher = args.launcher
    if args.cfg_options is not None:
        config.merge_from_dict(args.cfg_options)
    if args.work_dir is not None:
        config.work_dir = args.work_dir
    elif config.get('work_dir') is None:
        config.work_dir = str(Path('work_dirs') / Path(args.config).stem)
    if args.amp:
        enable_amp(config)
    choose_start(config, args.resume)
    return config


def choose_start(config: Config, resume: str | None) -> None:
    """Say in the config where the run begins: anew, from a named checkpoint, or from the last in the work directory.

    What torchrun or Slurm has started again goes on from the last checkpoint, whatever the command line says.

    Args:
        config: The config; ``resume`` and ``load_from`` are set. Without a checkpoint to go on from they stay, so that
            fine-tuning begins with its pre-trained weights.
        resume: What ``--resume`` says: None, 'auto', or a checkpoint.
    """
    if any(int(os.environ.get(f'{starter}_RESTART_COUNT', 0)) for starter in ('TORCHELASTIC', 'SLURM')):
        resume = 'auto'
    if resume == 'auto':
        resume = find_latest_checkpoint(config.work_dir)
    if resume:
        config.resume, config.load_from = True, resume


def enable_amp(config: Config) -> None:
    """Exchange the optimizer wrapper for the one of mixed precision.

    Raises:
        SystemExit: If the config's wrapper is neither the plain one nor one of mixed precision.
    """
    kind = config.optim_wrapper.get('type', 'OptimWrapper')
    if kind in ('AmpOptimWrapper', 'BFloat16OptimWrapper'):
        return
    if kind != 'OptimWrapper':
        raise SystemExit(f'--amp replaces an OptimWrapper, but optim_wrapper.type is {kind}')
    if torch.cuda.is_available():
        config.optim_wrapper.type = 'AmpOptimWrapper'
        config.optim_wrapper.setdefault('loss_scale', 'dynamic')
    else:
        config.optim_wrapper.type = 'BFloat16OptimWrapper'


def main(argv: list[str] | None = None) -> Runner:
    """Train, and return the finished runner.

    Raises:
        SystemExit: With a message, if the config, the launcher or the work directory is not as it should be.
    """
    config = build_config(parse_args(argv))
    use_ranks_without_gpu(config)
    try:
        prepare_work_dir(config.work_dir)
    except WorkDirError as error:
        raise SystemExit(f'error: {error}') from None
    if not config.get('resume') and int(os.environ.get('RANK', 0)) == 0:
        # Of a run before this one in the same folder: no restart may take it for ours. The checkpoint itself stays.
        (Path(config.work_dir) / 'last_checkpoint').unlink(missing_ok=True)
    runner = Runner.from_cfg(config)
    try:
        runner.train()
    except (*TOLD, pickle.UnpicklingError) as error:
        loaded = f' (load_from={config.load_from})' if config.get('load_from') else ''  # torch names no file
        raise SystemExit(f'error: {error}{loaded}') from error
    return runner


if __name__ == '__main__':
    main(sys.argv[1:])
    leave_ranks()
