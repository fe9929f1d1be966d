"""The lidar data sets of `create_sequence_index.py` beside KITTI's, and the poses of plain folders: their options."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from strl_mmdet3d.datasets import FrameSequence
    from strl_mmdet3d.datasets.sources import PoseFiles, ScanLister

LIDAR_SOURCES = ('infos', 'nuscenes', 'kitti-360', 'once')
POSE_FORMATS = ('auto', 'kitti', 'tum', '4x4')


def add_lidar_sources(sources: argparse._SubParsersAction, parents: list[argparse.ArgumentParser]) -> None:
    """Add the subcommands.

    Args:
        sources: The subcommands of the tool.
        parents: The options that all of them share.
    """
    infos = sources.add_parser(
        'infos',
        parents=parents,
        help="the scans of mmdet3d's *_infos_*.pkl: nuScenes, Lyft, Waymo, KITTI, SemanticKITTI",
    )
    infos.add_argument('--info', type=Path, nargs='+', required=True, metavar='PKL', help='one or more info files')
    infos.add_argument('--prefix', help="the folder of the scans below ROOT, data_prefix['pts'] (default: found)")
    nuscenes = sources.add_parser(
        'nuscenes', parents=parents, help='ROOT/v1.0-*/*.json, the tables of nuScenes or Lyft, without info files'
    )
    nuscenes.add_argument('--version', help='the folder of the tables below ROOT, such as v1.0-mini (default: found)')
    for parser in infos, nuscenes:
        parser.add_argument(
            '--no-sweeps', action='store_true', help='take the key frames only, not the sweeps between them'
        )
    kitti_360 = sources.add_parser(
        'kitti-360',
        parents=parents,
        help='ROOT/data_3d_raw/DRIVE_sync, with poses in ROOT/data_poses and ROOT/calibration',
    )
    once = sources.add_parser('once', parents=parents, help='ROOT/data/NNNNNN/{NNNNNN.json,lidar_roof}')
    for parser in infos, nuscenes, kitti_360, once:
        parser.add_argument('--load-dim', type=int, help='values per point (default: found from the values)')


def add_pose_options(folder: argparse.ArgumentParser) -> None:
    """Add the options of a folder's poses to its subcommand."""
    folder.add_argument(
        '--poses',
        type=Path,
        metavar='FILE',
        help='a trajectory: a file, or its name in each folder of scans or in the one above, such as poses.txt',
    )
    folder.add_argument(
        '--pose-format',
        choices=POSE_FORMATS,
        default='auto',
        help='tum: time x y z qx qy qz qw; kitti: 12 numbers; 4x4: 16 numbers in one line or four. The numbers of a '
        'frame or a time stamp may come first (default: found from the number of values)',
    )
    folder.add_argument(
        '--lidar-to-body',
        type=Path,
        metavar='FILE',
        help='12 or 16 numbers, or a calibration file with Tr: the motion from the lidar to what the poses are of '
        '(default: the poses are of the lidar)',
    )


def lidar_sequences(args: argparse.Namespace, lister: ScanLister) -> Iterator[FrameSequence]:
    """Go through the sequences of one of `LIDAR_SOURCES`."""
    from strl_mmdet3d.datasets import sources

    with_poses = not args.no_poses
    if args.source == 'infos':
        return sources.mmdet3d_info_sequences(args.root, args.info, lister, args.prefix, not args.no_sweeps, with_poses)
    if args.source == 'nuscenes':
        return sources.nuscenes_table_sequences(args.root, lister, args.version, not args.no_sweeps, with_poses)
    if args.source == 'kitti-360':
        return sources.kitti_360_sequences(args.root, lister, with_poses)
    return sources.once_sequences(args.root, lister, with_poses)


def pose_files(args: argparse.Namespace) -> PoseFiles | None:
    """Return where the poses of a folder's recordings are; None if they have none."""
    from strl_mmdet3d.datasets.readers.kitti_calibration import lidar_to_body
    from strl_mmdet3d.datasets.sources import PoseFiles

    if args.poses is None:
        return None
    motion = None if args.lidar_to_body is None else lidar_to_body(args.lidar_to_body)
    return PoseFiles(args.poses, args.pose_format, motion)
