"""Test a detector: the metrics of a downstream config, by the common options of mmdet3d's own ``tools/test.py``.

Examples:
    python tools/test.py configs/downstream/pvrcnn_kitti_from_strl.py work_dirs/pvrcnn_kitti_from_strl/epoch_40.pth
    python tools/test.py CONFIG CKPT --work-dir work_dirs/test --cfg-options test_dataloader.batch_size=4
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from command_line import add_cfg_options, add_launcher, foreseen_errors, hide_deprecations, load_config, start_settings

if TYPE_CHECKING:
    from mmengine.config import Config

# What the Runner takes together or not at all. A test builds none of it.
OF_TRAINING = ('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='the config file')
    parser.add_argument('checkpoint', help='a checkpoint of the whole detector, as its training left it')
    parser.add_argument('--work-dir', help='where the log and the metrics go; work_dirs/CONFIG by default')
    add_launcher(parser)
    add_cfg_options(parser, 'test_dataloader.batch_size=4')
    return parser.parse_args(argv)


def build_config(args: argparse.Namespace) -> Config:
    """Read the config and put the command line into it.

    Raises:
        ConfigError: If the config cannot be read or has no test, or there is no checkpoint.
    """
    from strl_mmdet3d.errors import ConfigError

    config = load_config(args.config, args.cfg_options)
    if config.get('test_dataloader') is None:
        raise ConfigError(f'{args.config} has no test: name a downstream config, such as configs/downstream/*.py')
    if '://' not in args.checkpoint and not Path(args.checkpoint).expanduser().is_file():
        raise ConfigError(f'no checkpoint at {args.checkpoint}')
    start_settings(config, args)
    config.load_from, config.resume = args.checkpoint, False
    for part in OF_TRAINING:
        config[part] = None
    return config


def run(args: argparse.Namespace) -> dict[str, float]:
    """Test as the command line asks.

    Returns:
        Name of each metric -> its value.

    Raises:
        StrlError: If the config, the checkpoint, the launcher or the work directory does not allow it.
    """
    from strl_mmdet3d.engine.distributed import use_ranks_without_gpu
    from strl_mmdet3d.engine.whole_detector_runner import WholeDetectorRunner
    from strl_mmdet3d.engine.work_dir import prepare_work_dir
    from strl_mmdet3d.safe_loading import load_safely

    load_safely()
    config = build_config(args)
    use_ranks_without_gpu(config)
    prepare_work_dir(config.work_dir)
    return WholeDetectorRunner.from_cfg(config).test()


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Test, and return the metrics.

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
