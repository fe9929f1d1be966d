"""Convert the lidar scans of ROS 1 and ROS 2 recordings (.bag, .db3, .mcap) to .npy files for the source ``folder``.

Each topic of sensor_msgs/PointCloud2 becomes OUT/TOPIC with x, y, z, the intensity and the ring, as far as the messages
have them, and ``timestamps.txt``. The values are float32, or float64 if x, y or z is. With --poses, OUT/poses.txt is
the trajectory.

Examples:
    python tools/convert_bags.py drive.bag --out data/drive --topic /velodyne_points
    python tools/convert_bags.py drive_ros2 --out data/drive --poses /odometry
    python tools/convert_bags.py drive.mcap --out data/drive --poses /tf --tf-frames map base_link
    python tools/create_sequence_index.py folder --root data/drive --poses poses.txt --out data/drive/sequences.json
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any

from command_line import foreseen_errors
from converted_scans import write_scan, write_times, write_trajectory

CLOUD = 'sensor_msgs/msg/PointCloud2'
NANOSECONDS = 10**9


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('bags', type=Path, nargs='+', help='.bag files, or one .db3, .mcap or folder of ROS 2')
    parser.add_argument('--out', type=Path, required=True, help='the folder to write')
    parser.add_argument('--topic', action='append', help='a topic of PointCloud2; may be repeated (default: all)')
    parser.add_argument(
        '--poses', metavar='TOPIC', help='a topic of Odometry, of poses or of transforms with stamps, or /tf'
    )
    parser.add_argument(
        '--tf-frames',
        nargs=2,
        metavar=('PARENT', 'CHILD'),
        help='which transform of /tf is the pose, such as map base_link',
    )
    return parser.parse_args(argv)


def stamp_of(message: Any, received: int) -> int:
    """Return the time of a message's header in nanoseconds; that of its arrival if the header has none."""
    stamp = message.header.stamp
    return int(stamp.sec) * NANOSECONDS + int(stamp.nanosec) or received


def poses_of(message: Any, received: int, tf_frames: list[str] | None) -> dict[int, tuple[float, ...]]:
    """Return the poses in a message: nanoseconds -> x, y, z, qx, qy, qz and qw."""
    if hasattr(message, 'transforms'):
        found = [
            (stamp_of(each, received), each.transform.translation, each.transform.rotation)
            for each in message.transforms
            if tf_frames and [each.header.frame_id.strip('/'), each.child_frame_id.strip('/')] == tf_frames
        ]
    elif hasattr(message, 'transform'):
        found = [(stamp_of(message, received), message.transform.translation, message.transform.rotation)]
    else:
        pose = message.pose.pose if hasattr(message.pose, 'pose') else message.pose
        found = [(stamp_of(message, received), pose.position, pose.orientation)]
    return {time: (at.x, at.y, at.z, turn.x, turn.y, turn.z, turn.w) for time, at, turn in found}


@contextmanager
def readable(bag: Path) -> Iterator[None]:
    """Turn an error of the block, which reads a recording, into one that names it.

    rosbags raises errors of many types on damaged recordings, those of its decompressors among them.

    Raises:
        StrlError: If the block raises another error.
    """
    from strl_mmdet3d.errors import StrlError

    try:
        yield
    except StrlError:  # a missing package
        raise
    except Exception as error:
        raise StrlError(
            f'{bag} cannot be read as a recording of ROS ({type(error).__name__}: {error}). Restore it'
        ) from error


def messages_of(reader: Any, chosen: list[Any], bag: Path) -> Iterator[tuple[Any, int, Any]]:
    """Go through the messages of some connections of a recording: the connection, its time of arrival, the message.

    Raises:
        StrlError: If the recording is damaged.
    """
    found = reader.messages(chosen)
    while True:
        with readable(bag):
            try:
                connection, received, raw = next(found)
            except StopIteration:
                return
            message = reader.deserialize(raw, connection.msgtype)
        yield connection, received, message


def convert(args: argparse.Namespace) -> None:
    """Convert the recordings, and print what was written.

    Raises:
        StrlError: If a recording cannot be read, or has no such topic, or no message of it.
    """
    from rich.progress import track

    from strl_mmdet3d.errors import StrlError
    from strl_mmdet3d.extras import extra
    from strl_mmdet3d.safe_loading import load_safely

    load_safely()
    with extra('formats'):
        from rosbags.highlevel import AnyReader
        from rosbags.typesys import Stores, get_typestore

    from strl_mmdet3d.datasets.readers.point_cloud2 import PointCloud2Error, read_point_cloud2

    tf_frames = [name.strip('/') for name in args.tf_frames] if args.tf_frames else None
    times: dict[str, set[int]] = {}
    columns: dict[str, list[str]] = {}
    sensors: dict[str, str] = {}
    repeated: Counter[str] = Counter()
    poses: dict[int, tuple[float, ...]] = {}
    with ExitStack() as stack:
        with readable(args.bags[0]):
            # Recordings of ROS 2 before Iron hold no definitions of their messages.
            reader = AnyReader(args.bags, default_typestore=get_typestore(Stores.ROS2_HUMBLE))
            bag = stack.enter_context(reader)
        topics = {each.topic: each.msgtype for each in bag.connections}
        clouds = list(dict.fromkeys(args.topic or [topic for topic, kind in topics.items() if kind == CLOUD]))
        for topic in [*clouds, *([args.poses] if args.poses else [])]:
            if topic not in topics or (topic in clouds and topics[topic] != CLOUD):
                raise StrlError(f'{args.bags[0]} has no {topic} of the right type. Its topics: {describe(topics)}')
        if not clouds:
            raise StrlError(f'{args.bags[0]} has no topic of {CLOUD}. Its topics: {describe(topics)}')
        for one, other in combinations(clouds, 2):
            if folder_of(one) == folder_of(other):
                raise StrlError(f'{one} and {other} would both be written to {folder_of(one)}: choose one by --topic')
        if args.poses and topics[args.poses].endswith('TFMessage') and not tf_frames:
            raise StrlError(f'{args.poses} has many transforms. Choose one by --tf-frames PARENT CHILD')
        chosen = [each for each in bag.connections if each.topic in clouds or each.topic == args.poses]
        number = sum(each.msgcount for each in chosen)
        messages = messages_of(bag, chosen, args.bags[0])
        for connection, received, message in track(messages, 'converting', number, transient=True):
            if connection.topic == args.poses:
                try:
                    poses |= poses_of(message, received, tf_frames)
                except AttributeError as error:
                    raise StrlError(
                        f'{args.poses} is of {connection.msgtype}, which has no poses with stamps'
                    ) from error
                continue
            try:
                records, names = read_point_cloud2(message)
            except PointCloud2Error as error:
                raise StrlError(f'{args.bags[0]}: a message of {connection.topic} cannot be read: {error}') from error
            time = stamp_of(message, received)
            folder = args.out / folder_of(connection.topic)
            if columns.setdefault(connection.topic, names) != names:
                raise StrlError(
                    f'{args.bags[0]}: messages of {connection.topic} have {columns[connection.topic]} and {names}'
                )
            sensor = message.header.frame_id
            if sensors.setdefault(connection.topic, sensor) != sensor:
                raise StrlError(
                    f'{args.bags[0]}: messages of {connection.topic} are of several sensors, '
                    f'{sensors[connection.topic]} and {sensor}. Choose topics of one sensor each by --topic'
                )
            stamps = times.setdefault(connection.topic, set())
            if time in stamps:
                repeated[connection.topic] += 1
                continue
            folder.mkdir(parents=True, exist_ok=True)
            write_scan(folder, time, records)
            stamps.add(time)
    if args.poses and not poses:
        which = f' from {tf_frames[0]} to {tf_frames[1]}' if tf_frames else ''
        raise StrlError(f'{args.poses} has no pose{which}. Check --poses and --tf-frames')
    for topic, stamps in times.items():
        folder = args.out / folder_of(topic)
        write_times(folder, stamps)
        again = f'; {repeated[topic]} more have the time of another one and are left out' if repeated[topic] else ''
        print(f'{folder}: {len(stamps)} scans of {", ".join(columns[topic])}{again}')
    silent = [topic for topic in clouds if topic not in times]
    if silent and (args.topic or not times):
        raise StrlError(
            f'{args.bags[0]} has no message of {", ".join(silent)}. Choose another topic by --topic, or record again'
        )
    if silent:
        print(f'no message of {", ".join(silent)}')
    if poses:
        write_trajectory(args.out / 'poses.txt', poses)
        print(f'{args.out / "poses.txt"}: {len(poses)} poses of what {args.poses} tracks, not of the lidar')


def folder_of(topic: str) -> str:
    """Return the name of the folder of a topic's scans."""
    return topic.strip('/').replace('/', '_')


def describe(topics: dict[str, str]) -> str:
    """Name the topics of a recording and their types."""
    return ', '.join(f'{topic} ({kind})' for topic, kind in sorted(topics.items())) or 'none'


def main(argv: list[str] | None = None) -> None:
    """Convert the recordings.

    Raises:
        SystemExit: With a message, for a foreseen error.
    """
    args = parse_args(argv)
    with foreseen_errors(args.out):
        convert(args)


if __name__ == '__main__':
    main()
