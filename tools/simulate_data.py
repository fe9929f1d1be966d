"""Simulate a data set in the layout of the real one."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from command_line import foreseen_errors


@dataclass(frozen=True)
class Command:
    """A command of the tool.

    Attributes:
        simulation: The class in strl_mmdet3d.simulation that it runs.
        help: What it writes.
        options: Name of each setting but the seed -> its default in that class, and what it is.
    """

    simulation: str
    help: str
    options: dict[str, tuple[int, str]]


COMMANDS = {
    'kitti': Command(
        'KittiSimulation',
        'street drives in the raw layout and labelled frames in the detection layout',
        {
            'drives': (4, 'drives, written to OUT/raw'),
            'frames_per_drive': (12, 'scans in a drive, at 10 Hz'),
            'train': (8, 'labelled frames for training, in OUT/object'),
            'val': (4, 'labelled frames for validation'),
            'test': (2, 'frames without labels'),
            'azimuth_steps': (2083, 'LiDAR firings in a revolution'),
            'beams': (64, 'LiDAR beams: 64 as an HDL-64E, 32 as an HDL-32E'),
        },
    ),
    'scannet': Command(
        'ScanNetSimulation',
        'camera walks through rooms as ScanNet frames and labelled views as mmdet3d prepares SUN RGB-D',
        {
            'scenes': (5, 'walks, written to OUT/frames'),
            'frames_per_scene': (16, 'frames of a walk'),
            'frame_step': (10, 'every n-th frame at 30 Hz is written'),
            'train': (30, 'labelled training views, in OUT/sunrgbd'),
            'val': (15, 'labelled views for validation'),
            'width': (640, 'pixels in a row, a multiple of 4'),
        },
    ),
    's3dis': Command(
        'S3DISSimulation',
        'rooms with the class of each point, as mmdet3d prepares the six areas of S3DIS',
        {
            'rooms': (4, 'rooms of each area'),
            'points': (40000, 'points of a room'),
        },
    ),
    'shapes': Command(
        'ShapesSimulation',
        'single objects of twelve classes, labelled, in OUT/shapes.npz',
        {
            'train': (30, 'training shapes of each class'),
            'test': (10, 'test shapes of each class'),
            'points': (2048, 'points of a shape'),
        },
    ),
}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    subparsers = parser.add_subparsers(dest='dataset', required=True)
    for name, command in COMMANDS.items():
        subparser = subparsers.add_parser(
            name, help=command.help, formatter_class=argparse.ArgumentDefaultsHelpFormatter
        )
        for setting, (default, help_text) in command.options.items():
            subparser.add_argument(f'--{setting.replace("_", "-")}', type=int, default=default, help=help_text)
        subparser.add_argument('--out', type=Path, required=True, help='folder to write; must be missing or empty')
        subparser.add_argument('--seed', type=int, default=0, help='the same gives the same bytes on one kind of CPU')
        subparser.add_argument('--jobs', type=int, default=1, help='processes that simulate at the same time')
    args = parser.parse_args(argv)
    if args.jobs < 1:
        parser.error(f'--jobs must be at least 1, not {args.jobs}')
    return args


def simulate(dataset: str, out: Path, jobs: int = 1, **options: int) -> None:
    """Simulate, unless the folder holds the same data already. One process at a time writes to a folder.

    Args:
        dataset: A key of `COMMANDS`.
        out: The folder to write.
        jobs: Number of processes. The bytes do not depend on it.
        options: The settings of the simulation, the seed included.

    Raises:
        StrlError: If a setting is out of range, the folder holds other things or has lost files, or another process
            writes to it.
    """
    from rich.progress import Progress

    from strl_mmdet3d.extras import extra
    from strl_mmdet3d.locks import locked
    from strl_mmdet3d.safe_loading import load_safely

    with extra('sim'):
        from strl_mmdet3d import simulation as simulations
        from strl_mmdet3d.simulation.output_folder import is_finished, simulated_whole

    load_safely()
    out = out.resolve()  # one lock, whatever name the folder is called by
    simulation = getattr(simulations, COMMANDS[dataset].simulation)(**options)
    settings = {'dataset': dataset, 'version': simulation.VERSION, **asdict(simulation)}
    # A folder appears under its name when it is whole, so a finished one needs no lock: it may be on a read-only disk.
    if is_finished(out, settings):
        say_finished(out)
        return
    with locked(out, 'simulating'):
        if is_finished(out, settings):
            say_finished(out)
            return
        # Without a thread of its own, since the process may be copied.
        with simulated_whole(out, settings) as folder, Progress(auto_refresh=False) as progress:
            task = progress.add_task(f'Simulating {dataset}', total=simulation.total)
            for size in simulation.write(folder, jobs):
                progress.update(task, advance=size, refresh=True)
    print(f'Wrote {simulation.total} {simulation.UNIT} to {out}.')


def say_finished(out: Path) -> None:
    """Say that there is nothing to do, and which files others have added."""
    from strl_mmdet3d.simulation.output_folder import added_files

    added = added_files(out)
    if added:
        print(
            f'{out} holds this data, whole; nothing to do. {len(added)} files are there that this tool did not write, '
            f'such as {added[0]}: delete them if you did not add them.'
        )
    else:
        print(f'{out} already holds this data; nothing to do.')


def main(argv: list[str] | None = None) -> None:
    """Simulate a data set.

    Raises:
        SystemExit: With a message, for a foreseen error.
    """
    args = parse_args(argv)
    with foreseen_errors(args.out):
        simulate(**vars(args))


if __name__ == '__main__':
    main(sys.argv[1:])
