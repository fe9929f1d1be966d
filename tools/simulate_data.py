"""Simulate a data set in the layout of the real one."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.progress import track

from strl_mmdet3d.simulation import KittiSimulation, ScanNetSimulation, ShapesSimulation, Simulation
from strl_mmdet3d.simulation.output_folder import is_finished, written_whole


@dataclass(frozen=True)
class Command:
    """A command of the tool.

    Attributes:
        simulation: What it runs.
        help: What it writes.
        options: What each setting but the seed is, by its name.
    """

    simulation: type[Simulation]
    help: str
    options: dict[str, str]


COMMANDS = {
    'kitti': Command(
        KittiSimulation,
        'street drives in the raw layout and labelled frames in the detection layout',
        {
            'drives': 'drives, written to OUT/raw',
            'frames_per_drive': 'scans in a drive, at 10 Hz',
            'train': 'labelled frames for training, in OUT/object',
            'val': 'labelled frames for validation',
            'test': 'frames without labels',
            'azimuth_steps': 'LiDAR firings in a revolution',
        },
    ),
    'scannet': Command(
        ScanNetSimulation,
        'camera walks through rooms as ScanNet frames and labelled views as mmdet3d prepares SUN RGB-D',
        {
            'scenes': 'walks, written to OUT/frames',
            'frames_per_scene': 'frames of a walk',
            'frame_step': 'every n-th frame at 30 Hz is written',
            'train': 'labelled training views, in OUT/sunrgbd',
            'val': 'labelled views for validation',
            'width': 'pixels in a row, a multiple of 4',
        },
    ),
    'shapes': Command(
        ShapesSimulation,
        'single objects of twelve classes, labelled, in OUT/shapes.npz',
        {
            'train': 'training shapes of each class',
            'test': 'test shapes of each class',
            'points': 'points of a shape',
        },
    ),
}


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    subparsers = parser.add_subparsers(dest='dataset', required=True)
    for name, command in COMMANDS.items():
        subparser = subparsers.add_parser(
            name, help=command.help, formatter_class=argparse.ArgumentDefaultsHelpFormatter
        )
        for setting, help_text in command.options.items():
            default = getattr(command.simulation, setting)
            subparser.add_argument(f'--{setting.replace("_", "-")}', type=int, default=default, help=help_text)
        subparser.add_argument('--out', type=Path, required=True, help='folder to write; must be missing or empty')
        subparser.add_argument('--seed', type=int, default=0, help='the same seed gives the same bytes')
    return parser.parse_args()


def main() -> None:
    """Run the command line."""
    options = vars(parse_args())
    dataset, out = options.pop('dataset'), options.pop('out')
    try:
        simulation = COMMANDS[dataset].simulation(**options)
        settings = {'dataset': dataset, **asdict(simulation)}
        if is_finished(out, settings):
            print(f'{out} already holds this data; nothing to do.')
            return
    except (ValueError, FileExistsError) as error:
        sys.exit(f'error: {error}')
    with written_whole(out, settings) as folder:
        for _ in track(simulation.write(folder), description=f'Simulating {dataset}', total=simulation.total):
            pass
    print(f'Wrote {simulation.total} {simulation.UNIT} to {out}.')


if __name__ == '__main__':
    main()
