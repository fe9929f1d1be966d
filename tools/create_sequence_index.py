"""Create the sequence index of a data set: which frames follow each other, and their poses and time stamps, if any.

Examples:
    python tools/create_sequence_index.py kitti-raw --root data/kitti_raw --out data/kitti_raw/sequences.json
    python tools/create_sequence_index.py kitti-odometry --root data/kitti_odometry --out sequences.json
    python tools/create_sequence_index.py scannet --root data/scannet_frames_25k --out sequences.json
    python tools/create_sequence_index.py scannet --root data/scannet_sens --key-frame-every 100 --out sequences.json
    python tools/create_sequence_index.py shapes --root data/shapenet --out data/shapenet/sequences.json
    python tools/create_sequence_index.py shapes --root data/shapes_sim --split train --out data/shapes_sim/train.json
    python tools/create_sequence_index.py folder --root scans --load-dim 5 --ext .pcd.bin --out sequences.json
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from command_line import foreseen_errors
from lidar_sources import LIDAR_SOURCES, add_lidar_sources, add_pose_options, lidar_sequences, pose_files

if TYPE_CHECKING:
    from strl_mmdet3d.datasets import FrameSequence
    from strl_mmdet3d.datasets.sources import DepthFrameLister, RecordingSplitter, ScanLister, ShapeLister

    Lister = ScanLister | DepthFrameLister | ShapeLister  # lists the key frames of a source

DEPTH_SOURCES = ('scannet', '7-scenes', 'tum', 'arkitscenes', 'redwood')
KITTI_LOAD_DIM = 4  # x, y, z, reflectance
MAX_NAMED = 20  # files left out for one reason that are named


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sources = parser.add_subparsers(dest='source', required=True, metavar='SOURCE')

    common = argparse.ArgumentParser(add_help=False)
    common.add_argument('--root', type=Path, required=True, help='the data set; paths in the index are relative to it')
    common.add_argument('--out', type=Path, required=True, help='the index to write, a .json file')
    recordings = argparse.ArgumentParser(add_help=False, parents=[common])
    recordings.add_argument(
        '--key-frame-every', type=int, default=1, metavar='N', help='take every N-th frame of a sequence (default: 1)'
    )
    recordings.add_argument(
        '--gap',
        type=float,
        metavar='X',
        help='a gap of more than X seconds between time stamps, or of X between numbers without them, begins another '
        'recording (default: 5 usual steps, of time stamps at least 1 second)',
    )
    recordings.add_argument(
        '--no-split', action='store_true', help='never split what lies together into several recordings'
    )
    scans = argparse.ArgumentParser(add_help=False)
    scans.add_argument(
        '--skip-truncated', action='store_true', help='leave truncated and empty files out instead of stopping at them'
    )
    poses = argparse.ArgumentParser(add_help=False)
    poses.add_argument('--no-poses', action='store_true', help='leave the poses out, even if the data has them')

    sources.add_parser(
        'kitti-raw', parents=[recordings, scans, poses], help='ROOT/DATE/DATE_drive_NNNN_sync/velodyne_points/data'
    )
    sources.add_parser(
        'kitti-odometry',
        parents=[recordings, scans, poses],
        help='ROOT/sequences/NN/velodyne, with poses in ROOT/poses/NN.txt or, as in SemanticKITTI, in '
        'ROOT/sequences/NN/poses.txt',
    )
    add_lidar_sources(sources, [recordings, scans, poses])
    depth = argparse.ArgumentParser(add_help=False, parents=[recordings])
    depth.add_argument(
        '--depth-scale', type=float, metavar='N', help='depth values per metre (default: as the layout says)'
    )
    depth.add_argument(
        '--intrinsics', metavar='FX,FY,CX,CY', help='of the depth camera, in pixels (default: as the data says)'
    )
    depth.add_argument(
        '--up',
        metavar='AXIS',
        help='what points up in the world of the poses: x, -x, y, -y, z, -z or three numbers x,y,z; write --up=-y '
        '(default: found from the floor)',
    )
    sources.add_parser(
        'scannet',
        parents=[depth],
        help='ROOT/SCENE/{depth,pose} and intrinsics_depth.txt or intrinsic/intrinsic_depth.txt, SCENE/*.sens, or '
        'SCENE/frame-*.depth.pgm, frame-*.pose.txt and _info.txt; the paper takes every 100th frame, and '
        'scannet_frames_25k holds every 100th frame',
    )
    sources.add_parser('7-scenes', parents=[depth], help='ROOT/**/frame-*.depth.png and frame-*.pose.txt; 3DMatch too')
    sources.add_parser('tum', parents=[depth], help='ROOT/RECORDING/{depth,groundtruth}.txt, as TUM RGB-D')
    sources.add_parser(
        'arkitscenes', parents=[depth], help='ROOT/**/VIDEO/{lowres_depth,lowres_wide.traj,lowres_wide_intrinsics}'
    )
    sources.add_parser(
        'redwood', parents=[depth], help='ROOT/SCENE/{depth,trajectory.log,intrinsic.json}, as Open3D and Redwood'
    )
    shapes = sources.add_parser(
        'shapes',
        parents=[common],
        help='modelnet40_normal_resampled, modelnet40_ply_hdf5_2048, or ROOT/**: .npz files, each with one array '
        '(N, P, 3), as shapenet57448xyzonly.npz, or with an array points (and label, classes and split, if any), and '
        'OFF, OBJ and PLY meshes (labelled if all are CLASS/NAME, CLASS/{train,test}/NAME or CLASS/MODEL/**/NAME)',
    )
    shapes.add_argument('--split', help='keep only the shapes of this split, such as train')
    shapes.add_argument('--no-labels', action='store_true', help='leave the labels out, even if the data has them')
    folder = sources.add_parser(
        'folder', parents=[recordings, scans], help='ROOT/**: folders of scans, split into recordings by names and gaps'
    )
    folder.add_argument(
        '--unrelated', action='store_true', help="make each scan a sequence of its own, for mode='spatial'"
    )
    folder.add_argument('--ext', help='the end of the names of the scans (default: that of most files, .bin first)')
    folder.add_argument('--load-dim', type=int, help='values per point of .bin files (default: found from the values)')
    add_pose_options(folder)
    return parser.parse_args(argv)


def make_lister(args: argparse.Namespace) -> Lister:
    """Make the lister of the key frames of the chosen source."""
    from strl_mmdet3d.datasets.sources import DepthFrameLister, ScanLister, ShapeLister

    if args.source in DEPTH_SOURCES:
        return DepthFrameLister.from_words(args.key_frame_every, args.depth_scale, args.intrinsics, args.up)
    if args.source == 'shapes':
        return ShapeLister(args.split, with_labels=not args.no_labels)
    return ScanLister(
        load_dim=getattr(args, 'load_dim', KITTI_LOAD_DIM),
        ext=getattr(args, 'ext', '.bin'),
        skip_truncated=args.skip_truncated,
    )


def make_splitter(args: argparse.Namespace) -> RecordingSplitter:
    """Make what splits a folder or a sequence into recordings; shapes have none."""
    from strl_mmdet3d.datasets.sources import RecordingSplitter

    split = not getattr(args, 'no_split', True)
    return RecordingSplitter(split, getattr(args, 'gap', None), getattr(args, 'unrelated', False))


def find_sequences(args: argparse.Namespace, lister: Lister, splitter: RecordingSplitter) -> Iterable[FrameSequence]:
    """Go through the sequences of the chosen source."""
    from strl_mmdet3d.datasets.sources import folder_sequences, thinned, with_trajectories

    if args.source == 'folder':
        sequences: Iterable[FrameSequence] = folder_sequences(args.root, lister, splitter)
        if files := pose_files(args):  # scans without a pose are left out, which may leave gaps
            sequences = splitter.at_gaps(with_trajectories(args.root, sequences, files, lister))
    else:
        sequences = splitter.at_gaps(sequences_of_source(args, lister))
    if args.source in (*DEPTH_SOURCES, 'shapes'):  # a depth source lists its key frames alone: it reads each image
        return sequences
    return thinned(sequences, args.key_frame_every)


def sequences_of_source(args: argparse.Namespace, lister: Lister) -> Iterator[FrameSequence]:
    """Go through the sequences of a source that tells recordings apart by its layout."""
    from strl_mmdet3d.datasets import sources

    if args.source in DEPTH_SOURCES:
        return sources.DEPTH_SOURCES[args.source].sequences(args.root, lister)
    if args.source == 'shapes':
        return sources.shape_sequences(args.root, lister)
    if args.source in LIDAR_SOURCES:
        return lidar_sequences(args, lister)
    if args.source == 'kitti-raw':
        return sources.kitti_raw_sequences(args.root, lister, with_poses=not args.no_poses)
    return sources.kitti_odometry_sequences(args.root, lister, with_poses=not args.no_poses)


def with_progress(sequences: Iterable[FrameSequence]) -> list[FrameSequence]:
    """Collect the sequences, and show the progress."""
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    collected, num_frames = [], 0
    columns = SpinnerColumn(), TextColumn('{task.description}'), TimeElapsedColumn()
    with Progress(*columns, transient=True) as progress:
        task = progress.add_task('looking for frames')
        for sequence in sequences:
            collected.append(sequence)
            num_frames += len(sequence.frames)
            progress.update(task, description=f'{num_frames} key frames in {len(collected)} sequences')
    return collected


def left_out_files(source: str, lister: Lister) -> dict[str, list[Path]]:
    """Return the files for which key frames were left out, by the reason."""
    from strl_mmdet3d.datasets.sources.linked_files import MISSING

    if source in DEPTH_SOURCES:
        return lister.left_out
    if source == 'shapes':
        return {MISSING: lister.missing} if lister.missing else {}
    return {**({'truncated': lister.truncated} if lister.truncated else {}), **lister.left_out}


def describe_left_out(left_out: dict[str, list[Path]]) -> list[str]:
    """Name the files left out, line by line: the first ones for each reason, since there may be thousands."""
    lines = []
    for reason, paths in left_out.items():
        # A name with control characters is written as Python writes it, which changes no terminal.
        names = [str(path) if str(path).isprintable() else repr(str(path)) for path in paths[:MAX_NAMED]]
        lines += [f'left out, {reason}: {name}' for name in names]
        if len(paths) > MAX_NAMED:
            lines.append(f'left out, {reason}: {len(paths) - MAX_NAMED} more')
    return lines


def listing_metainfo(args: argparse.Namespace, lister: Lister) -> dict[str, Any]:
    """Return what the index records: how its frames were chosen, and how many were left out."""
    if args.source in DEPTH_SOURCES:
        return lister.facts()
    if args.source == 'shapes':
        return {'split': lister.split, **({'classes': lister.classes} if lister.classes else {})}
    return {
        **lister.facts(),
        'key_frame_every': args.key_frame_every,
        'num_truncated_left_out': len(lister.truncated),
        **({'num_left_out': {why: len(found) for why, found in lister.left_out.items()}} if lister.left_out else {}),
    }


def create_index(args: argparse.Namespace) -> None:
    """Create the index, and print what it holds and which files were left out.

    Raises:
        StrlError: If the data has no usable frame, or a file of it cannot be read.
    """
    from strl_mmdet3d.datasets.frame_table import write_frame_table
    from strl_mmdet3d.datasets.sequence_index import SequenceIndexError, write_sequence_index
    from strl_mmdet3d.datasets.sources.outside_links import find_outside_frames
    from strl_mmdet3d.locks import locked
    from strl_mmdet3d.safe_loading import load_safely
    from strl_mmdet3d.version import __version__

    load_safely()
    lister = make_lister(args)
    splitter = make_splitter(args)
    sequences = with_progress(find_sequences(args, lister, splitter))
    left_out = left_out_files(args.source, lister)
    if not sequences:
        message = (
            f'no {"usable " if left_out else ""}scans below {args.root}. `create_sequence_index.py --help` shows the '
            f'layout expected for {args.source}'
        )
        foreign = getattr(lister, 'describe_foreign', list)()
        raise SequenceIndexError('\n'.join([message, *foreign, *describe_left_out(left_out)]))
    metainfo = {
        'created_by': f'strl_mmdet3d {__version__}',
        'source': args.source,
        **listing_metainfo(args, lister),
        **({'split_reasons': dict(splitter.reasons)} if splitter.reasons else {}),
    }
    outside = find_outside_frames(args.root, (frame for sequence in sequences for frame in sequence.frames))
    with locked(args.out, 'writing an index'):  # two files that belong together
        write_sequence_index(args.out, metainfo, sequences)
        write_frame_table(args.out, metainfo, sequences)

    for line in describe_left_out(left_out):
        print(line)
    for note in [*splitter.lines, *getattr(lister, 'notes', ()), *getattr(lister, 'describe_points', list)()]:
        print(note if note.isprintable() else repr(note))
    if outside:
        print(
            f'{outside.number} key frames lie outside of {args.root}, behind links that training will follow. The '
            f'first: {outside.first} -> {outside.target}'
        )
    num_frames = sum(len(sequence.frames) for sequence in sequences)
    num_posed = sum(sequence.poses is not None for sequence in sequences)
    num_timed = sum(sequence.timestamps is not None for sequence in sequences)
    num_labelled = sum(sequence.label is not None for sequence in sequences)
    print(
        f'{args.out}: {num_frames} key frames in {len(sequences)} sequences, {num_posed} with poses, {num_timed} with '
        f'time stamps, {num_labelled} with labels; {sum(map(len, left_out.values()))} frames left out'
    )


def main(argv: list[str] | None = None) -> None:
    """Create the index.

    Raises:
        SystemExit: With a message, for a foreseen error.
    """
    args = parse_args(argv)
    with foreseen_errors(args.out):
        create_index(args)


if __name__ == '__main__':
    main()
