"""Look at a data set before training on it: what a sequence index and its frames hold, and what seems wrong.

It reads an index of LiDAR scans, depth images or shapes that create_sequence_index.py has made, and loads one frame of
each sequence, of those with poses two. It prints first what to look at: frames that cannot be used, poses that jump or
do not bring frames together, intensities on another scale, a range that does not fit. Then it prints the facts.

Examples:
    python tools/inspect_sequences.py data/kitti_raw/sequences.json --out kitti.html
    python tools/inspect_sequences.py INDEX --root DIR --config configs/strl/pvrcnn_kitti_pretrain.py
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from command_line import CONTROL, add_cfg_options, foreseen_errors, hide_deprecations, load_config


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('index', type=Path, help='the sequence index')
    parser.add_argument('--root', type=Path, help="the folder that it was made for (default: the index's own)")
    parser.add_argument('--config', help='the pre-training config, whose point_cloud_range is held against the points')
    parser.add_argument('--out', type=Path, help='a page to write, with pictures, one .html file; needs the extra vis')
    parser.add_argument(
        '--frames-per-sequence', type=_count, default=1, metavar='N', help='how many frames to load (default: 1)'
    )
    parser.add_argument(
        '--max-frames', type=_count, default=500, metavar='N', help='in all; then some sequences only (default: 500)'
    )
    add_cfg_options(parser, 'train_dataloader.dataset.point_cloud_range=[0,-40,-3,70,40,1]')
    return parser.parse_args(argv)


def _count(text: str) -> int:
    """Read a number of frames."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not a number of at least 1')
    return int(text)


def range_of(args: argparse.Namespace) -> list[float] | None:
    """Return the range of the config's pairs, or None.

    Raises:
        ConfigError: If the config cannot be read, or its pairs have no range.
    """
    if args.config is None:
        return None
    from strl_mmdet3d.errors import ConfigError

    config = load_config(args.config, args.cfg_options)
    waiting = [config.get('train_dataloader', {}).get('dataset', {})]
    while waiting:  # a mixture holds several data sets, which state the same range
        dataset = waiting.pop()
        if dataset.get('point_cloud_range') is not None:
            return list(map(float, dataset['point_cloud_range']))
        waiting += [dataset['dataset']] if 'dataset' in dataset else dataset.get('datasets', [])
    raise ConfigError(f'{args.config} has no train_dataloader.dataset.point_cloud_range. Leave --config out, or set it')


def inspect(args: argparse.Namespace) -> None:
    """Look at the index, print the report and write the page."""
    from mmengine.registry import init_default_scope
    from rich.console import Console
    from rich.progress import track

    import strl_mmdet3d.datasets  # noqa: F401 - registers the loaders
    from strl_mmdet3d.atomic_write import written_whole
    from strl_mmdet3d.evaluation.sequence_report import report_text
    from strl_mmdet3d.evaluation.sequence_survey import survey_sequences
    from strl_mmdet3d.extras import extra
    from strl_mmdet3d.safe_loading import load_safely

    load_safely()
    init_default_scope('mmdet3d')

    def progress(frames: list[tuple[int, int]]) -> Iterable[tuple[int, int]]:
        return track(frames, 'looking at frames', transient=True, console=Console(stderr=True))

    survey = survey_sequences(
        str(args.index.absolute()),  # a relative one would be below the root
        str(args.root or args.index.parent),
        range_of(args),
        args.frames_per_sequence,
        args.max_frames,
        progress,
    )
    print(CONTROL.sub('?', report_text(survey)))
    if args.out is None:
        return
    with extra('vis'):
        from strl_mmdet3d.evaluation.sequence_page import sequence_page
    with written_whole(args.out) as part:
        part.write_text(sequence_page(survey), encoding='utf-8')
    print(f'\n{args.out} has the pictures')


def main(argv: list[str] | None = None) -> None:
    """Inspect an index.

    Raises:
        SystemExit: With a message, for a foreseen error.
    """
    args = parse_args(argv)
    hide_deprecations()
    with foreseen_errors(args.out or 'the report'):
        inspect(args)


if __name__ == '__main__':
    main()
