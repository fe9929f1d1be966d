"""Draw what the model will see: for some pairs of a config's training set, the two frames and the views made of them.

Lidar points are drawn from above, other clouds in an oblique projection. A depth frame is drawn as its image, in
metres, and its views are drawn from above and from the side. A frame's points are coloured by what happens to them, a
view's by their height; things that have moved have their own colour. The titles say how far apart the frames are, and
what was done to each view. The pairs are the first ones of the first epoch: a training run with the config's seed
starts with them on one GPU.

With --html, they are one page, OUT/pairs.html, in which the clouds are turned by mouse.

Examples:
    python tools/browse_pairs.py configs/strl/pvrcnn_kitti_pretrain.py --out work_dirs/pairs
    python tools/browse_pairs.py CONFIG --out DIR --html
    python tools/browse_pairs.py CONFIG --out DIR --num 3 --cfg-options train_dataloader.dataset.mode=temporal
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

from command_line import add_cfg_options, foreseen_errors, load_config, refused_settings


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='the pre-training config; its train_dataloader is drawn')
    parser.add_argument('--out', type=Path, required=True, help='the folder for the pictures or the page')
    parser.add_argument('--num', type=int, help='how many pairs to draw (default: 8, of a page 3)')
    parser.add_argument('--html', action='store_true', help='make one page to be turned by mouse instead of pictures')
    add_cfg_options(parser, 'train_dataloader.dataset.window=3')
    args = parser.parse_args(argv)
    if args.num is not None and args.num < 1:
        parser.error('--num must be at least 1')
    return args


def draw(args: argparse.Namespace) -> None:
    """Draw the pairs that the command line asks for."""
    from mmengine.registry import init_default_scope
    from rich.progress import track

    from strl_mmdet3d.atomic_write import written_whole
    from strl_mmdet3d.extras import extra
    from strl_mmdet3d.safe_loading import load_safely

    with extra('vis'):
        from strl_mmdet3d.evaluation.figure_text import save_picture
        from strl_mmdet3d.evaluation.pair_figure import draw_pair
        from strl_mmdet3d.evaluation.pair_page import pairs_page
        from strl_mmdet3d.evaluation.traced_pair import build_traced_dataset

    load_safely()
    config = load_config(args.config, args.cfg_options)
    init_default_scope(config.get('default_scope', 'mmdet3d'))
    with refused_settings():
        dataset, sampler, tracer = build_traced_dataset(config)
    if args.html:
        keys = list(itertools.islice(sampler, args.num or 3))
        page = pairs_page(dataset, track(keys, 'tracing'), tracer, f'Pairs of {Path(args.config).name}')
        with written_whole(args.out / 'pairs.html') as part:
            part.write_text(page, encoding='utf-8')
        print(f'{len(keys)} pairs in {args.out / "pairs.html"}')
        return
    keys = list(itertools.islice(sampler, args.num or 8))
    for i, key in enumerate(track(keys, 'drawing')):
        figure = draw_pair(dataset, key, tracer)
        with written_whole(args.out / f'pair_{i:03d}_item_{key.index:06d}.png') as part:
            save_picture(figure, part, 130)
    print(f'{len(keys)} pictures in {args.out}')


def main(argv: list[str] | None = None) -> None:
    """Draw the pairs.

    Raises:
        SystemExit: With a message, for a foreseen error.
    """
    args = parse_args(argv)
    with foreseen_errors(args.out):
        draw(args)


if __name__ == '__main__':
    main()
