"""Collect the things that have moved in the pairs of a config, for `PasteMoved`: a GT database without labels.

The config's data set is read, whole scans, and marked as its `MarkMoved` says.

Example:
    python tools/collect_moved_things.py configs/study/motion.py --out data/kitti_sim/raw/moved_things.npz
"""

from __future__ import annotations

import argparse
from pathlib import Path

from command_line import add_cfg_options, foreseen_errors, load_config, refused_settings


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='a pre-training config whose views are marked by MarkMoved')
    parser.add_argument('--out', type=Path, required=True, help='the collection to write, an .npz file')
    parser.add_argument('--fewest', type=int, default=20, metavar='N', help='points of a thing (default: 20)')
    parser.add_argument(
        '--frames', type=int, default=5000, metavar='N', help='key frames that are read, evenly spread (default: 5000)'
    )
    add_cfg_options(parser, 'train_dataloader.dataset.window=3')
    args = parser.parse_args(argv)
    if args.fewest < 1 or args.frames < 1:
        parser.error('--fewest and --frames are at least 1')
    return args


def collect(args: argparse.Namespace) -> None:
    """Collect the things of each key frame's first pair."""
    import numpy as np
    from mmengine.registry import init_default_scope
    from rich.progress import track

    from strl_mmdet3d.datasets.moved_things import MovedThings, marked_whole_scans, things_of_view
    from strl_mmdet3d.safe_loading import load_safely

    load_safely()
    config = load_config(args.config, args.cfg_options)
    init_default_scope(config.get('default_scope', 'mmdet3d'))
    with refused_settings():
        dataset, sensor = marked_whole_scans(config.train_dataloader.dataset)
    frames = np.unique(np.linspace(0, len(dataset) - 1, min(args.frames, len(dataset))).astype(int)).tolist()
    things = [
        thing
        for number in track(frames, 'collecting')
        for thing in things_of_view(dataset[number]['view_1'], np.array(sensor), args.fewest)
    ]
    collection = MovedThings.of(things)
    collection.save(args.out)
    print(f'{len(collection)} things of {len(frames)} frames in {args.out}')


def main(argv: list[str] | None = None) -> None:
    """Collect the things.

    Raises:
        SystemExit: With a message, for a foreseen error.
    """
    args = parse_args(argv)
    with foreseen_errors(args.out):
        collect(args)


if __name__ == '__main__':
    main()
