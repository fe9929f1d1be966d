"""Simulate a data set in the layout of the real one."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from rich.progress import track

from strl_mmdet3d.simulation import KittiSimulation, ScanNetSimulation
from strl_mmdet3d.simulation.output_folder import is_finished, written_whole


def add_kitti(subparsers: argparse._SubParsersAction) -> None:
    """Add the command for KITTI."""
    parser = subparsers.add_parser(
        'kitti',
        help='street drives in the raw layout and labelled frames in the detection layout',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option('--drives', type=int, default=KittiSimulation.drives, help='drives, written to OUT/raw')
    option('--frames-per-drive', type=int, default=KittiSimulation.frames_per_drive, help='scans in a drive, at 10 Hz')
    option('--train', type=int, default=KittiSimulation.train, help='labelled frames for training, in OUT/object')
    option('--val', type=int, default=KittiSimulation.val, help='labelled frames for validation')
    option('--test', type=int, default=KittiSimulation.test, help='frames without labels')
    option('--azimuth-steps', type=int, default=KittiSimulation.azimuth_steps, help='LiDAR firings in a revolution')
    parser.set_defaults(simulation=KittiSimulation)


def add_scannet(subparsers: argparse._SubParsersAction) -> None:
    """Add the command for rooms."""
    parser = subparsers.add_parser(
        'scannet',
        help='camera walks through rooms as ScanNet frames and labelled views as mmdet3d prepares SUN RGB-D',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option('--scenes', type=int, default=ScanNetSimulation.scenes, help='walks, written to OUT/frames')
    option('--frames-per-scene', type=int, default=ScanNetSimulation.frames_per_scene, help='frames of a walk')
    option('--frame-step', type=int, default=ScanNetSimulation.frame_step, help='every n-th frame at 30 Hz is written')
    option('--train', type=int, default=ScanNetSimulation.train, help='labelled training views, in OUT/sunrgbd')
    option('--val', type=int, default=ScanNetSimulation.val, help='labelled views for validation')
    option('--width', type=int, default=ScanNetSimulation.width, help='pixels in a row, a multiple of 4')
    parser.set_defaults(simulation=ScanNetSimulation)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    subparsers = parser.add_subparsers(dest='dataset', required=True)
    add_kitti(subparsers)
    add_scannet(subparsers)
    for subparser in subparsers.choices.values():
        subparser.add_argument('--out', type=Path, required=True, help='folder to write; must be missing or empty')
        subparser.add_argument('--seed', type=int, default=0, help='the same seed gives the same bytes')
    return parser.parse_args()


def main() -> None:
    """Run the command line."""
    options = vars(parse_args())
    dataset, out, simulate = options.pop('dataset'), options.pop('out'), options.pop('simulation')
    try:
        simulation = simulate(**options)
        settings = {'dataset': dataset, **asdict(simulation)}
        if is_finished(out, settings):
            print(f'{out} already holds this data; nothing to do.')
            return
    except (ValueError, FileExistsError) as error:
        sys.exit(f'error: {error}')
    with written_whole(out, settings) as folder:
        for _ in track(simulation.write(folder), description=f'Simulating {dataset}', total=simulation.total):
            pass
    print(f'Wrote {simulation.total} frames to {out}.')


if __name__ == '__main__':
    main()
