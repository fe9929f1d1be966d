"""Estimate the poses of lidar scans that have none by KISS-ICP, write them into an index, and say how good they are.

Each sequence is registered scan by scan. Scans are taken as they are: without the times of single points, the motion
within a scan cannot be undone. Afterwards the overlap of scans a few metres apart is measured, without the ground: the
share of points that have a neighbour within 0.3 m in the other scan, as recorded and aligned by the estimated poses.

Examples:
    python tools/create_sequence_index.py folder --root data/drive --out data/drive/sequences.json
    python tools/estimate_poses.py --root data/drive --index data/drive/sequences.json --out data/drive/posed.json
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from command_line import foreseen_errors

if TYPE_CHECKING:
    import numpy as np

MAX_RANGE = 100.0  # metres, KISS-ICP's default
NUM_CHECKED = 8  # pairs of scans of a sequence whose overlap is measured
POOR = 0.5  # of the points; two right poses 2 m apart give 0.7 to 0.95 in a street


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--root', type=Path, required=True, help='the data set')
    parser.add_argument('--index', type=Path, required=True, help='its sequence index; it needs every scan of a drive')
    parser.add_argument('--out', type=Path, help='the index to write (default: --index is replaced)')
    parser.add_argument(
        '--max-range', type=float, default=MAX_RANGE, metavar='M', help='ignore points beyond (default: 100)'
    )
    parser.add_argument('--again', action='store_true', help='estimate poses of sequences that have poses, too')
    args = parser.parse_args(argv)
    if not 0 < args.max_range < float('inf'):
        parser.error('--max-range must be above 0')
    return args


def estimate(paths: list[Path], load_dim: int, max_range: float) -> np.ndarray:
    """Estimate the poses (N, 4, 4) of the scans of a sequence in order; the first is the identity."""
    import numpy as np

    from strl_mmdet3d.extras import extra

    with extra('formats'):
        from kiss_icp.config import KISSConfig
        from kiss_icp.config.config import DataConfig, MappingConfig
        from kiss_icp.kiss_icp import KissICP

    data = DataConfig(max_range=max_range, deskew=False)
    odometry = KissICP(KISSConfig(data=data, mapping=MappingConfig(voxel_size=max_range / 100)))
    poses = []
    for path in paths:
        odometry.register_frame(read_points(path, load_dim), np.empty(0))
        poses.append(np.array(odometry.last_pose))
    return np.linalg.inv(poses[0]) @ np.array(poses)


def read_points(path: Path, load_dim: int) -> np.ndarray:
    """Read the points (N, 3) of a scan, float64 metres."""
    import numpy as np

    from strl_mmdet3d.datasets.readers.lidar_scan import read_scan

    return read_scan(str(path), load_dim, range(3))[:, :3].astype(np.float64)


def measure(paths: list[Path], load_dim: int, poses: np.ndarray) -> list[tuple[float, float]]:
    """Return the overlap of some pairs of scans of a sequence, as recorded and aligned.

    There is none if the sensor stood, or if the scans hold hardly anything but the ground.
    """
    from strl_mmdet3d.evaluation.pair_overlap import AS_GIVEN, choose_partner, measure_overlap

    found = []
    for first in range(0, len(paths), max(len(paths) // NUM_CHECKED, 1)):
        second = choose_partner(poses, first, 'lidar')
        if second is not None:
            clouds = read_points(paths[first], load_dim), read_points(paths[second], load_dim)
            overlap = measure_overlap(clouds, (poses[first], poses[second]), 'lidar')
            if overlap is not None:
                unaligned, aligned = overlap
                found.append((unaligned, aligned[AS_GIVEN]))
    return found


def estimate_index(args: argparse.Namespace) -> None:
    """Estimate the poses of an index's sequences, and print how good they are.

    Raises:
        StrlError: If the index cannot be read, is one of depth images or shapes, or a scan cannot be read.
    """
    from dataclasses import replace

    import numpy as np
    from rich.progress import track

    from strl_mmdet3d.datasets.frame_table import write_frame_table
    from strl_mmdet3d.datasets.sequence_index import SequenceIndexError, read_sequence_index, write_sequence_index
    from strl_mmdet3d.locks import locked
    from strl_mmdet3d.safe_loading import load_safely

    load_safely()
    metainfo, sequences = read_sequence_index(args.index)
    if metainfo.get('load_dim') is None or any(sequence.intrinsics is not None for sequence in sequences):
        raise SequenceIndexError(f'{args.index} is no index of lidar scans. Poses are estimated of these only')
    wanted = [sequence for sequence in sequences if len(sequence.frames) > 1 and (args.again or sequence.poses is None)]
    if not wanted:
        raise SequenceIndexError(f'all sequences of {args.index} have poses or one scan. Use --again to replace poses')
    estimated, lines = {}, []
    for sequence in track(wanted, 'registering', transient=True):
        paths = [args.root / frame for frame in sequence.frames]
        poses = estimate(paths, metainfo['load_dim'], args.max_range)
        estimated[sequence.sequence_id] = replace(sequence, poses=poses)
        steps = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1)
        line = f'{sequence.sequence_id}: {steps.sum():.1f} m in {len(paths)} scans, at most {steps.max():.2f} m a step'
        if overlaps := measure(paths, metainfo['load_dim'], poses):
            unaligned, aligned = np.mean(overlaps, axis=0)
            line += f'; of {len(overlaps)} pairs, {unaligned:.0%} of the points meet as recorded, {aligned:.0%} aligned'
            if aligned < POOR or aligned < unaligned:
                line += '. POOR: do not use these poses, or index every scan of the drive'
        else:
            line += '; its poses could not be checked: it hardly moved, or its scans hold little but the ground'
        lines.append(line)
    out = args.out or args.index
    metainfo = {**metainfo, 'poses_estimated_by': 'kiss-icp', 'num_sequences_with_estimated_poses': len(estimated)}
    posed = [estimated.get(sequence.sequence_id, sequence) for sequence in sequences]
    with locked(out, 'writing an index'):
        write_sequence_index(out, metainfo, posed)
        write_frame_table(out, metainfo, posed)
    print('\n'.join(lines))
    print(f'{out}: poses estimated for {len(estimated)} of {len(sequences)} sequences')


def main(argv: list[str] | None = None) -> None:
    """Estimate the poses.

    Raises:
        SystemExit: With a message, for a foreseen error.
    """
    args = parse_args(argv)
    with foreseen_errors(args.out or args.index):
        estimate_index(args)


if __name__ == '__main__':
    main()
