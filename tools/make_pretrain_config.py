"""Make the pre-training config of any mmdet3d detector: look at its features, choose one, write a few lines.

The detector's trunk is built and run once on made-up clouds, on the CPU. A table shows its features, and which of its
parts get a gradient when a feature is pooled. The config that is written trains at once.

Examples:
    python tools/make_pretrain_config.py mmdet3d::ssn/ssn_hv_secfpn_sbn-all_16xb2-2x_nus-3d.py --list
    python tools/make_pretrain_config.py mmdet3d::second/second_hv_secfpn_8xb6-80e_kitti-3d-3class.py --out my.py
    python tools/make_pretrain_config.py DETECTOR.py --data DATA/sequences.json --out my.py --downstream my_from_strl.py
    python tools/make_pretrain_config.py mmdet3d::votenet/votenet_8xb8_scannet-3d.py --dense --out my.py
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from command_line import foreseen_errors, hide_deprecations, load_config

if TYPE_CHECKING:
    from mmengine.config import Config


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('detector', help="a detection config: a file, or 'mmdet3d::PATH' for one of mmdet3d's")
    parser.add_argument('--list', action='store_true', help='print the table of features only')
    parser.add_argument('--out', type=Path, help='the pre-training config to write')
    parser.add_argument(
        '--downstream', type=Path, metavar='OUT2', help='also write a detection config that starts from it'
    )
    parser.add_argument(
        '--data',
        metavar='NAME',
        help='kitti, nuscenes, waymo, lyft, scannet, or a sequence index of create_sequence_index.py (default: what '
        'the detector is for)',
    )
    parser.add_argument('--root', help="the folder that the index of --data was made for (default: the index's own)")
    parser.add_argument(
        '--feature', metavar='NAME', help='the feature to pool, by its name in the table (default: chosen)'
    )
    parser.add_argument('--dense', action='store_true', help='compare regions instead of whole clouds')
    parser.add_argument('--overwrite', action='store_true', help='replace files that exist')
    args = parser.parse_args(argv)
    if args.list == (args.out is not None):
        parser.error('give --list to look, or --out FILE to write a config')
    if args.list and (args.downstream or args.data or args.root or args.dense):
        parser.error('--list only looks at the detector: leave --data, --root, --dense and --downstream out')
    for option, path in (('--out', args.out), ('--downstream', args.downstream)):
        if path is not None and path.suffix != '.py':
            parser.error(f'{option} is a Python file: {path} does not end in .py')
        if path is not None and path.resolve() == Path(args.detector).resolve():
            parser.error(f'{option} would write over the detector: name another file')
    if args.downstream is not None and args.downstream.resolve() == args.out.resolve():
        parser.error('--downstream and --out are two files')
    return args


def read_stock(name: str) -> Config:
    """Read the detection config.

    Raises:
        ConfigError: If there is none of this name (names the nearest), it cannot be read, or has no model.
    """
    from strl_mmdet3d.errors import ConfigError
    from strl_mmdet3d.models.encoder import missing_config

    if '::' not in name and not Path(name).is_file():
        raise ConfigError(missing_config(name, FileNotFoundError(name)))
    try:
        config = load_config(name)
    except ImportError as error:  # of a package that is not installed
        raise ConfigError(f'{name} cannot be read as a config: {error}') from error
    except ConfigError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise ConfigError(missing_config(name, error.__cause__)) from error
        raise
    if 'model' not in config:
        raise ConfigError(f'{name} defines no model: name the config of a detector')
    if not isinstance(config.model, dict):
        raise ConfigError(f'{name} has model={config.model!r}, which is not a dict: name the config of a detector')
    return config


def refuse_existing(args: argparse.Namespace) -> None:
    """Refuse to write over a file.

    Raises:
        ConfigError: Names the file.
    """
    from strl_mmdet3d.errors import ConfigError

    for path in filter(None, (args.out, args.downstream)):
        if path.exists() and not args.overwrite:
            raise ConfigError(f'{path} exists: name another file, or replace it by --overwrite')


def base_of(detector: str, out: Path) -> str:
    """Return a detection config as ``_base_`` of a file takes it: a path is relative to that file."""
    if '::' in detector:
        return detector
    return Path(os.path.relpath(Path(detector).resolve(), out.parent.resolve())).as_posix()


def make(args: argparse.Namespace) -> None:
    """Print the table, and write what the command line asks for.

    Raises:
        StrlError: If the detector cannot be pre-trained, or the data does not fit it.
    """
    from mmengine.registry import init_default_scope

    from strl_mmdet3d import new_config
    from strl_mmdet3d.atomic_write import write_text_whole
    from strl_mmdet3d.errors import ConfigError
    from strl_mmdet3d.mmengine_internals import is_pure_python
    from strl_mmdet3d.safe_loading import load_safely

    load_safely()
    refuse_existing(args)
    config = read_stock(args.detector)
    init_default_scope('mmdet3d')
    if args.downstream is not None and is_pure_python(config):
        raise ConfigError(
            f'{args.detector} is a config in pure Python, which a config with _base_ cannot be made of: leave '
            '--downstream out, and set load_from in a config of your own that reads it by read_base()'
        )
    points = new_config.read_stock_points(config)
    data = fit = None
    if not args.list:  # what does not fit is told before the forward pass, which may take a minute
        data = new_config.choose_data(args.data, points.dataset, args.root)
        fit = new_config.fit_data(points, data, config.model)
        points = points.with_channels(fit.channels)
    inspection = new_config.inspect_detector(args.detector, points, fit.override if fit else None)
    choice = new_config.choose_feature(inspection, args.dense, args.feature)
    print('\n'.join(new_config.table_lines(inspection, choice.feature.name)))
    for reason in choice.reasons:
        print(reason)
    if data is None or fit is None:
        return
    for note in fit.notes:
        print(f'note: {note}')
    text = new_config.pretrain_text(args.detector, inspection, choice, points, data, fit, args.dense)
    write_text_whole(args.out, text)
    print(f'written: {args.out}. Train: python tools/train.py {args.out}')
    if args.downstream is not None:
        if lost := new_config.lost_weights(config):
            print(f'note: {lost}')
        encoder = f'work_dirs/{args.out.stem}/encoder.pth'
        stock = base_of(args.detector, args.downstream)
        write_text_whole(args.downstream, new_config.downstream_text(stock, encoder, config, fit))
        print(f'written: {args.downstream}. Then: python tools/train.py {args.downstream}')


def main(argv: list[str] | None = None) -> None:
    """Make the config.

    Raises:
        SystemExit: With a message, for a foreseen error.
    """
    args = parse_args(argv)
    hide_deprecations()
    with foreseen_errors(args.out or 'the output'):
        make(args)


if __name__ == '__main__':
    main()
