"""Draw what the model will see: for some pairs of a config's training set, the two raw frames and the two views.

Lidar points are drawn from above, other clouds in an oblique projection; of depth images, the image is drawn, and the
views from above and from the side. The colour is the height, in a depth image the depth. The pairs are the first ones
of the first epoch, those that a training run with the config's seed starts with on one GPU.

Examples:
    python tools/browse_pairs.py configs/strl/pvrcnn_kitti_pretrain.py --out work_dirs/pairs
    python tools/browse_pairs.py CONFIG --out DIR --num 3 --cfg-options train_dataloader.dataset.mode=temporal
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope
from rich.progress import track

from strl_mmdet3d.datasets import SequenceIndexError, UnusablePairError
from strl_mmdet3d.evaluation.pair_figure import build_recorded_dataset, draw_pair


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='the pre-training config; its train_dataloader is drawn')
    parser.add_argument('--out', type=Path, required=True, help='the folder for the pictures, one PNG a pair')
    parser.add_argument('--num', type=int, default=8, help='how many pairs to draw (default: 8)')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='settings that override the config, such as train_dataloader.dataset.window=3',
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Draw the pairs.

    Raises:
        SystemExit: With a message, if the config or its data is not as it should be.
    """
    args = parse_args(argv)
    if not Path(args.config).is_file():
        raise SystemExit(f'error: no config at {args.config}')
    config = Config.fromfile(args.config)
    config.merge_from_dict(args.cfg_options or {})
    init_default_scope(config.get('default_scope', 'mmdet3d'))
    try:
        dataset, sampler, recorder = build_recorded_dataset(config)
        args.out.mkdir(parents=True, exist_ok=True)
        keys = list(itertools.islice(sampler, args.num))
        for i, key in enumerate(track(keys, 'drawing')):
            figure = draw_pair(dataset, key, recorder)
            figure.savefig(args.out / f'pair_{i:03d}_item_{key.index:06d}.png', dpi=100)
    except (SequenceIndexError, UnusablePairError, ValueError, OSError) as error:
        raise SystemExit(f'error: {error}') from error
    print(f'{len(keys)} pictures in {args.out}')


if __name__ == '__main__':
    main()
