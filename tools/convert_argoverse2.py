"""Convert the lidar sweeps and the poses of Argoverse 2 from .feather files for the source ``folder``.

Each log becomes OUT/LOG/lidar with x, y, z, intensity and ring as float32 .npy files, OUT/LOG/lidar/timestamps.txt and
OUT/LOG/poses.txt. The sweeps are in the vehicle's axes, as are the poses.

Examples:
    python tools/convert_argoverse2.py data/av2/sensor/train --out data/av2_npy
    python tools/create_sequence_index.py folder --root data/av2_npy --poses poses.txt --out data/av2_npy/sequences.json
"""

from __future__ import annotations

import argparse
from pathlib import Path

from command_line import foreseen_errors
from converted_scans import write_scan, write_times, write_trajectory

COLUMNS = ('x', 'y', 'z', 'intensity', 'laser_number')
POSE = ('tx_m', 'ty_m', 'tz_m', 'qx', 'qy', 'qz', 'qw')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('root', type=Path, help='a folder of logs, LOG/sensors/lidar/*.feather, or of splits of them')
    parser.add_argument('--out', type=Path, required=True, help='the folder to write')
    return parser.parse_args(argv)


def convert(args: argparse.Namespace) -> None:
    """Convert the logs below the root, and print what was written.

    Raises:
        StrlError: If there is no log, or a file cannot be read or lacks a column.
    """
    import numpy as np
    from rich.progress import track

    from strl_mmdet3d.errors import StrlError
    from strl_mmdet3d.extras import extra
    from strl_mmdet3d.safe_loading import load_safely

    load_safely()
    with extra('formats'):
        from pyarrow import ArrowException
        from pyarrow.feather import read_table

    def columns_of(path: Path, names: tuple[str, ...]) -> list[np.ndarray]:
        try:
            table = read_table(str(path), columns=list(names))
            return [table[name].to_numpy() for name in names]
        except (ArrowException, KeyError, OSError) as error:
            raise StrlError(
                f'{path} cannot be read, or lacks one of {", ".join(names)} ({error}). Restore it'
            ) from error

    logs = sorted({path.parents[2] for path in args.root.glob('**/sensors/lidar/*.feather')})
    if not logs:
        raise StrlError(f'no LOG/sensors/lidar/*.feather below {args.root}')
    num_scans = 0
    for log in track(logs, 'converting', transient=True):
        sweeps = sorted(path for path in (log / 'sensors/lidar').glob('*.feather') if path.stem.isdigit())
        folder = args.out / log.relative_to(args.root) / 'lidar'
        folder.mkdir(parents=True, exist_ok=True)
        for sweep in sweeps:
            records = np.stack([column.astype(np.float32) for column in columns_of(sweep, COLUMNS)], axis=1)
            write_scan(folder, int(sweep.stem), records)
        write_times(folder, [int(sweep.stem) for sweep in sweeps])
        times, *pose = columns_of(log / 'city_SE3_egovehicle.feather', ('timestamp_ns', *POSE))
        write_trajectory(
            folder.parent / 'poses.txt', dict(zip(times.tolist(), np.stack(pose, axis=1).tolist(), strict=True))
        )
        num_scans += len(sweeps)
    print(f'{args.out}: {num_scans} scans of x, y, z, intensity, ring in {len(logs)} logs, with poses.txt for each')


def main(argv: list[str] | None = None) -> None:
    """Convert the data set.

    Raises:
        SystemExit: With a message, for a foreseen error.
    """
    args = parse_args(argv)
    with foreseen_errors(args.out):
        convert(args)


if __name__ == '__main__':
    main()
